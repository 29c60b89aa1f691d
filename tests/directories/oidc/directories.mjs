// Directories shaped as Entra's: an issuer each, the claims that it gives, the password grant with its error codes.
import crypto from 'node:crypto';
import Provider, { errors } from 'oidc-provider';

const CLAIMS = ['sub', 'tid', 'oid', 'ver', 'preferred_username', 'name', 'email', 'groups'];
// What Entra says of a right password that is not enough, by the person's state.
const CODES = {
  locked: 50053, expired: 50055, disabled: 50057, mfa: 50076, conditional_access: 53003, throttled: 50196,
};

export class Directory {
  constructor(base, { id, clients, people }) {
    Object.assign(this, { id, clients, people, issuer: `${base}/${id}/v2.0`, graphTokens: new Set() });
    this.graph = `${base}/graph`;
    this.rotate();
  }

  // A new key, and none of the old ones: what was signed before is good no more.
  rotate() {
    const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.key = privateKey;
    this.kid = crypto.randomBytes(8).toString('hex');
    this.provider = this.#newProvider();
    this.handle = this.provider.callback();
  }

  register(redirectUri) {
    for (const client of this.clients) client.redirect_uris.push(redirectUri);
    this.rotate();
  }

  find(field, value) {
    return this.people.find((person) => person[field].toLowerCase() === String(value).toLowerCase());
  }

  signIn(username, password) {
    const person = this.find('username', username);
    return person && person.password === password && person.state !== 'disabled' ? person : undefined;
  }

  claimsOf(person) {
    const claims = {
      sub: `pairwise-${person.oid}`, tid: this.id, oid: person.oid, ver: '2.0',
      preferred_username: person.username, name: person.name, email: person.email,
    };
    if (!person.overage) return { ...claims, groups: person.groups };
    // Of people with too many groups the token says where to ask instead.
    return {
      ...claims, _claim_names: { groups: 'src1' },
      _claim_sources: { src1: { endpoint: person.overage } },
    };
  }

  #newProvider() {
    const jwk = { ...this.key.export({ format: 'jwk' }), kid: this.kid, use: 'sig', alg: 'RS256' };
    const provider = new Provider(this.issuer, {
      clients: this.clients,
      jwks: { keys: [jwk] },
      claims: { openid: CLAIMS },
      scopes: ['openid', 'profile', 'email'],
      conformIdTokenClaims: false,
      cookies: { keys: [crypto.randomBytes(16).toString('hex')] },
      features: { devInteractions: { enabled: false } },
      pkce: { required: () => true },
      interactions: { url: (ctx, interaction) => `/${this.id}/login/${interaction.uid}` },
      findAccount: (ctx, id) => {
        const person = this.people.find(({ oid }) => oid === id);
        return person && { accountId: id, claims: () => this.claimsOf(person) };
      },
      // An administrator has agreed for everybody.
      loadExistingGrant: async (ctx) => {
        const grant = new provider.Grant({
          clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
        });
        grant.addOIDCScope('openid profile email');
        await grant.save();
        return grant;
      },
    });
    provider.registerGrantType('password', (ctx) => this.#passwordGrant(ctx), ['username', 'password', 'scope']);
    provider.registerGrantType('client_credentials', (ctx) => this.#clientCredentials(ctx), ['scope']);
    return provider;
  }

  async #passwordGrant(ctx) {
    const { username, password } = ctx.oidc.params;
    const person = this.find('username', username);
    const code = !person ? 50034 : person.password !== password ? 50126 : CODES[person.state];
    if (code) {
      ctx.status = 400;
      ctx.body = {
        error: [50076, 53003].includes(code) ? 'interaction_required' : 'invalid_grant',
        error_description: `AADSTS${code}: of ${username}`, error_codes: [code],
      };
      return;
    }
    const token = new this.provider.IdToken(this.claimsOf(person), { ctx });
    token.scope = 'openid';
    ctx.body = {
      token_type: 'Bearer', expires_in: 3600, access_token: this.#graphToken(),
      id_token: await token.issue({ use: 'idtoken' }),
    };
  }

  #clientCredentials(ctx) {
    if (ctx.oidc.params.scope !== `${this.graph}/.default`) throw new errors.InvalidScope('not Graph');
    ctx.body = { token_type: 'Bearer', expires_in: 3600, access_token: this.#graphToken() };
  }

  #graphToken() {
    const token = crypto.randomBytes(24).toString('base64url');
    this.graphTokens.add(token);
    return token;
  }
}
