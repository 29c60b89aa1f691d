// The few endpoints of Microsoft Graph that are asked, for the directory whose token is shown.
const NEVER = 2147483647;
const PAGE = 2;

export function answerGraph(directory, base, method, url, body) {
  const [, , , collection, id, action] = url.pathname.split('/');
  if (url.pathname === '/graph/v1.0/$batch') {
    const responses = body.requests.map((each) => {
      const inner = new URL(`/graph/v1.0${each.url}`, base);
      const [status, answer] = answerGraph(directory, base, each.method, inner, each.body);
      return { id: each.id, status, body: answer };
    });
    return [200, { responses: responses.reverse() }]; // Graph promises no order
  }
  if (collection === 'domains') return [200, { passwordValidityPeriodInDays: directory.validity ?? NEVER }];
  if (collection !== 'users') return [404, { error: { code: 'Request_ResourceNotFound' } }];
  if (!id) return [200, page(directory, base, Number(url.searchParams.get('$skip') ?? 0))];
  const person = directory.people.find(({ oid }) => oid === id);
  if (!person) return [404, { error: { code: 'Request_ResourceNotFound' } }];
  if (action === 'getMemberObjects' && method === 'POST') return [200, { value: person.groups }];
  return [200, rendered(person)];
}

function page(directory, base, skip) {
  const value = directory.people.slice(skip, skip + PAGE).map(rendered);
  const next = `${base}/graph/v1.0/users?$skip=${skip + PAGE}`;
  return skip + PAGE < directory.people.length ? { value, '@odata.nextLink': next } : { value };
}

function rendered(person) {
  return {
    id: person.oid, userPrincipalName: person.username, mail: person.email || null,
    displayName: person.name, accountEnabled: person.state !== 'disabled',
    lastPasswordChangeDateTime: person.password_changed_at, passwordPolicies: person.password_policies,
  };
}
