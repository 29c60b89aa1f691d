"use strict";
const token = location.hash.slice(1);
// Out of the address bar and the history: it is worth a password.
history.replaceState(null, "", location.pathname);
const form = document.getElementById(token ? "use" : "ask");
const said = document.getElementById("said");
form.hidden = false;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = Object.fromEntries(new FormData(form));
  if (token) body.token = token;
  try {
    const answer = await fetch(form.dataset.path, {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
    });
    if (answer.ok) {
      form.hidden = true;
      said.textContent = form.dataset.done;
      return;
    }
    const problem = await answer.json();
    said.textContent = [problem.error, ...(problem.details.reason || [])].join(" ");
  } catch {
    said.textContent = "The server does not answer. Try again later.";
  }
});
