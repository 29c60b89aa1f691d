from shared_apps.authn import views
from shared_apps.authn.oidc import views as oidc
from shared_apps.core.urls import endpoint

app_name = "authn"
urlpatterns = [
    *endpoint("login/", views.LoginView.as_view(), name="login"),
    *endpoint("oidc/start/", oidc.StartView.as_view(), name="oidc-start"),
    *endpoint("oidc/callback/", oidc.CallbackView.as_view(), name="oidc-callback"),
    *endpoint("oidc/token/", oidc.TokenView.as_view(), name="oidc-token"),
    *endpoint("refresh/", views.RefreshView.as_view(), name="refresh"),
    *endpoint("logout/", views.LogoutView.as_view(), name="logout"),
    *endpoint("registration/", views.RegistrationView.as_view(), name="registration"),
    *endpoint("user/", views.CurrentUserView.as_view(), name="user"),
    *endpoint("sessions/", views.SessionListView.as_view(), name="session-list"),
    *endpoint("sessions/<uuid:session_id>/", views.SessionView.as_view(), name="session"),
    *endpoint("password/info/", views.PasswordInfoView.as_view(), name="password-info"),
    *endpoint("password/change/", views.PasswordChangeView.as_view(), name="password-change"),
]
