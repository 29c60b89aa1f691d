"""Functions in the shared schema that do for a role what it may not do itself.

All belong to the migration login, run with its rights but where it says otherwise, resolve no name through the caller's path, and
are executable by the roles named here only.
"""

from psycopg import sql

from shared_apps.fleet import roles
from shared_apps.tenants import names

# Whose rows a tenant's and a person's role may see. The role is the argument, because inside the function
# current_user is its owner; another role than the caller's is not answered for. "role" is what SET ROLE
# was given; no other statement sets it. plpgsql, because it keeps its plan for the session.
_OWN = """
CREATE OR REPLACE FUNCTION public.own_tenant(asking name) RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT t.id FROM public.tenants_tenant t
            WHERE t.role_name = asking AND asking = current_setting('role'));
END $$
"""

_GRANTED = """
CREATE OR REPLACE FUNCTION public.granted_tenants(asking name) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF starts_with(asking, {prefix}) AND asking = current_setting('role') THEN
        RETURN QUERY
            SELECT g.tenant_id FROM public.accounts_crosstenantgrant g
            JOIN public.accounts_user u ON u.id = g.user_id AND u.is_active
            WHERE g.user_id = substr(asking, {digits})::uuid;
    END IF;
END $$
"""

# The web login may not make roles. It may ask for the role of one person, who must have a grant.
_ENSURE = """
CREATE OR REPLACE FUNCTION public.ensure_person_role(person uuid) RETURNS name
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    person_role name := {prefix} || replace(person::text, '-', '');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('freehold.person_role'), hashtext(person::text));
    IF NOT EXISTS (SELECT FROM public.accounts_crosstenantgrant g WHERE g.user_id = person) THEN
        RAISE insufficient_privilege USING MESSAGE = 'this person has no grant';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = person_role) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', person_role);
    END IF;
    EXECUTE format('GRANT {readers} TO %I' || {inherits}, person_role);
    EXECUTE format('GRANT %I TO {application}' || {becomes}, person_role);
    RETURN person_role;
END $$
"""

_DROP = """
CREATE OR REPLACE FUNCTION public.drop_person_role(person uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    person_role name := {prefix} || replace(person::text, '-', '');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('freehold.person_role'), hashtext(person::text));
    IF EXISTS (SELECT FROM public.accounts_crosstenantgrant g WHERE g.user_id = person) THEN
        RAISE insufficient_privilege USING MESSAGE = 'this person has a grant';
    END IF;
    EXECUTE format('DROP ROLE IF EXISTS %I', person_role);
END $$
"""

# That somebody was shown rows of these tenants, into the shared outbox and so into the trail of each. The
# web login writes into no outbox itself: this adds entries of these two kinds and of nothing else, and none
# that names nobody.
_RECORD_ACCESS = """
CREATE OR REPLACE FUNCTION public.record_access(
    entity text, resource text, query jsonb, tenants uuid[], shown integer[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    actor text := nullif(current_setting('freehold.attribution', true), '');
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
BEGIN
    IF entity NOT IN ('audit.access', 'portfolio.access') OR entity IS NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'this function records accesses only';
    END IF;
    IF coalesce(actor::json ->> 'user_id', actor::json ->> 'system') IS NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'an access of nobody cannot be recorded';
    END IF;
    INSERT INTO public.audit_outbox (table_name, operation, record_id, new_values, attribution, database_role)
    SELECT entity, 'CREATE', id, jsonb_build_object(
        'id', id, 'tenant_id', tenant, 'user_id', actor::json ->> 'user_id', 'resource', resource,
        'query', query, 'rows', count), actor, caller
    FROM (SELECT gen_random_uuid()::text AS id, s.tenant, s.count
          FROM unnest(tenants, shown) AS s (tenant, count)) a;
END $$
"""

# A tenant's outbox refuses changes or takes all, as its row says. The trigger is switched, not made: all
# schemas have the same objects.
_LIMIT_BACKLOG = """
CREATE OR REPLACE FUNCTION public.limit_audit_backlog(tenant uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
    outbox regclass;
    has_limit boolean;
    is_on boolean;
BEGIN
    SELECT to_regclass(format('%I.audit_outbox', t.schema_name)),
           num_nonnulls(t.audit_backlog_rows, t.audit_backlog_seconds) > 0
    INTO outbox, has_limit FROM public.tenants_tenant t WHERE t.id = tenant;
    SELECT tgenabled <> 'D' INTO is_on FROM pg_trigger
    WHERE tgrelid = outbox AND tgname = 'audit_admission';
    IF is_on IS NULL AND has_limit THEN
        RAISE undefined_object USING MESSAGE = 'this schema cannot limit its audit backlog: migrate it first';
    ELSIF is_on <> has_limit THEN
        EXECUTE format('ALTER TABLE %s %s TRIGGER audit_admission', outbox,
            CASE WHEN has_limit THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END);
    END IF;
END $$
"""

# What a token's session at a tenant stands for, which every request asks. Planning takes PostgreSQL longer
# than answering, and plpgsql keeps its plan for the session. With the caller's rights, unlike the others. What
# it returns is read by position (authn/selectors.py) by former releases too: with other columns it is
# another function.
_SIGN_IN = """
CREATE OR REPLACE FUNCTION public.sign_in_at_tenant(session_id uuid, person_id uuid, tenant_id uuid)
RETURNS TABLE (
    auth_time float8, has_ended boolean, backend text, email text, name text, is_active boolean,
    is_operator boolean, state text, state_reason text, role text, is_enabled boolean, permissions text[],
    access_token_minutes integer, refresh_token_days integer, max_login_hours integer)
LANGUAGE plpgsql STABLE ROWS 1
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT extract(epoch FROM s.auth_time)::float8, s.revoked_at IS NOT NULL, s.backend::text,
            p.email::text, p.name::text, p.is_active, p.is_operator,
            t.state::text, t.state_reason::text, m.role::text, m.is_active,
            (SELECT r.permissions::text[] FROM public.accounts_tenantrole r WHERE r.id = m.custom_role_id),
            y.access_token_minutes::integer, y.refresh_token_days::integer, y.max_login_hours::integer
        FROM public.authn_session s
        JOIN public.accounts_user p ON p.id = s.user_id
        JOIN public.tenants_tenant t ON t.id = s.tenant_id
        LEFT JOIN public.accounts_usertenantrole m ON m.id = s.membership_id
        LEFT JOIN public.authn_signinpolicy y ON y.tenant_id = s.tenant_id
        WHERE s.id = $1 AND s.user_id = $2 AND s.tenant_id = $3;
END $$
"""

_RIGHTS = [
    "REVOKE ALL ON FUNCTION public.own_tenant, public.granted_tenants, public.ensure_person_role,"
    " public.drop_person_role, public.limit_audit_backlog, public.audit_capture, public.record_access,"
    " public.sign_in_at_tenant FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION public.record_access TO {application}",
    "GRANT EXECUTE ON FUNCTION public.own_tenant TO {tenants}",
    "GRANT EXECUTE ON FUNCTION public.granted_tenants TO {readers}",
    "GRANT EXECUTE ON FUNCTION public.ensure_person_role, public.drop_person_role,"
    " public.limit_audit_backlog, public.sign_in_at_tenant TO {application}",
]


def statements(*, server_version: int) -> list[sql.Composed]:
    """The functions and the right to execute them; to be run again and again."""
    prefix = names.person_role_prefix(roles.database_name())
    has_options = server_version >= roles.MEMBERSHIP_OPTIONS_SINCE
    return [
        sql.SQL(text).format(
            prefix=sql.Literal(prefix),
            digits=sql.Literal(len(prefix) + 1),
            application=sql.Identifier(roles.application_login()),
            tenants=sql.Identifier(roles.tenants_group()),
            readers=sql.Identifier(roles.readers_group()),
            inherits=sql.Literal(" WITH INHERIT TRUE, SET FALSE" if has_options else ""),
            becomes=sql.Literal(" WITH INHERIT FALSE, SET TRUE" if has_options else ""),
        )
        for text in (
            _OWN,
            _GRANTED,
            _ENSURE,
            _DROP,
            _RECORD_ACCESS,
            _LIMIT_BACKLOG,
            _SIGN_IN,
            *_RIGHTS,
        )
    ]
