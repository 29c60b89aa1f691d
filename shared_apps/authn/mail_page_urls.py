"""What links in mails lead to (links.py)."""

from django.urls import path

from shared_apps.authn import links, mail_pages

app_name = "authn-mail-pages"
urlpatterns = [
    path(links.RESET_PATH.removeprefix("/"), mail_pages.reset_page, name="reset"),
    path(
        links.REGISTRATION_PATH.removeprefix("/"), mail_pages.registration_page, name="registration"
    ),
]
