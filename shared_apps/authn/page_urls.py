from shared_apps.authn import pages
from shared_apps.core.urls import endpoint

app_name = "pages"
urlpatterns = [
    *endpoint("accounts/", pages.home, name="home"),
    *endpoint("accounts/login/", pages.login, name="login"),
    *endpoint("accounts/logout/", pages.logout, name="logout"),
]
