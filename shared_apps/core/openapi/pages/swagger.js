"use strict";

const place = document.getElementById("docs");

// Of a browser that signed in on our own page: what writes shows that this page is ours.
function withPageToken(request) {
  const cookie = document.cookie.split("; ").find((part) => /^(__Host-)?freehold_csrf=/.test(part));
  if (cookie) request.headers["X-CSRFToken"] = decodeURIComponent(cookie.split("=")[1]);
  return request;
}

window.ui = SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  displayOperationId: true,
  docExpansion: "none",
  filter: true,
  validatorUrl: null,
  requestInterceptor: withPageToken,
});
