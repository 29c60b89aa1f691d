"""What one app may use of another: its services, selectors, choices and errors, never its insides."""

import grimp
import pytest

ROOTS = ("shared_apps", "tenant_apps")
# Foundations without business of their own: everything in them is for everybody.
FOUNDATIONS = {"shared_apps.core", "shared_apps.tenants", "shared_apps.audit"}
PUBLIC = {"services", "selectors", "choices", "errors"}
# What else an app offers on purpose, with the reason.
OFFERED = {
    "shared_apps.accounts.returning": "people of a tenant that comes back from an archive",
    "shared_apps.accounts.cross_tenant_roles": "who reads several tenants; the end of one takes it out of them",
    "shared_apps.accounts.custom_roles": "a tenant's own roles; onboarding restores them",
    "shared_apps.accounts.directory_intake": "many people of a directory at once; synchronisation",
    "shared_apps.accounts.directory_people": "how people of a directory stand in a tenant; synchronisation",
    "shared_apps.accounts.disabling": "whether somebody is let in; authn ends the sign-ins with it",
    "shared_apps.accounts.emails": "the canonical form of an address",
    "shared_apps.accounts.identities": "who somebody of a directory is; authn asks",
    "shared_apps.authn.backends": "the directory that a tenant has; synchronisation lists its people",
    "shared_apps.authn.backends.base": "what a directory is told of the tenant; synchronisation",
    "shared_apps.authn.backends.directory": "what a directory says of people; synchronisation",
    "shared_apps.authn.configuring": "where a tenant's people prove who they are; onboarding declares it",
    "shared_apps.authn.links": "addresses in mails; synchronisation tells administrators",
    "shared_apps.authn.recognition": "which role groups give; synchronisation compares it",
    "shared_apps.authn.trying": "a sign-in tried by an operator, who stands above both",
    "shared_apps.authn.lifetimes": "how long a tenant's sign-ins last; onboarding declares it",
    "shared_apps.authn.registering": "who may register themselves, as tenants.yaml says",
    "shared_apps.mail.configuring": "by which server a tenant's mails leave; onboarding declares it",
    "shared_apps.directory_sync.applying": "an approved preview carried out; the command line",
    "shared_apps.directory_sync.condition": "how a synchronisation is; the command line",
    "shared_apps.directory_sync.serializers": "the form of previews; the command line's JSON is the API's",
    "shared_apps.fleet.dropping": "a schema dropped in portions; onboarding's last step and the pool's",
    "shared_apps.accounts.new_passwords": "a password replaced in the transaction of what goes with it",
    "shared_apps.accounts.erasure": "what becomes of an account; onboarding erases everywhere",
    "shared_apps.fleet.roles": "the roles' names and memberships; onboarding makes a tenant's",
    "shared_apps.fleet.sharding.cluster": "what a Citus cluster says of itself; onboarding moves tenants",
    "shared_apps.fleet.sharding.preparing": "what the installer makes of a cluster",
    "shared_apps.fleet.sharding.rules": "whether a schema can be moved",
    "tenant_apps.jobs.kinds": "where an app registers its kind of job, and what that is given",
    "tenant_apps.jobs.serializers": "the form of jobs; an app's own adds what its result holds",
    "tenant_apps.jobs.urls": "the addresses of a kind of job; an app includes them",
    "tenant_apps.jobs.views": "the answers of a kind of job; an app derives its own from them",
    "shared_apps.onboarding.erasing.tombstones": "under which SECRET_KEY erased people are known; rotation",
    "shared_apps.onboarding.installation": "logins and databases made; a restore needs them",
    "shared_apps.portfolio.sources": "the facts that a tenant app turns its rows into",
    "shared_apps.portfolio.projections": "where a tenant app registers them",
}


def app_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.fixture
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOTS, exclude_type_checking_imports=True)


def uses_of_insides(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    found = set()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            app = app_of(imported)
            if app_of(importer) == app or app in FOUNDATIONS or imported in (app, *ROOTS):
                continue
            part = imported.split(".")[2]
            if part not in PUBLIC and imported not in OFFERED:
                found.add((importer, imported))
    return found


def test_apps_use_each_others_services_selectors_choices_and_errors(
    graph: grimp.ImportGraph,
) -> None:
    assert uses_of_insides(graph) == set()


def test_the_rule_sees_an_offence(graph: grimp.ImportGraph) -> None:
    graph.add_import(
        importer="shared_apps.authn.views", imported="tenant_apps.invoicing.serializers"
    )

    assert uses_of_insides(graph) == {
        ("shared_apps.authn.views", "tenant_apps.invoicing.serializers")
    }


def test_what_is_offered_is_used(graph: grimp.ImportGraph) -> None:
    used = {
        offered
        for offered in OFFERED
        for importer in graph.find_modules_that_directly_import(offered)
        if app_of(importer) != app_of(offered)
    }
    assert used == set(OFFERED)
