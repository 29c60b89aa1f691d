from shared_apps.authn import password_views, views
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
    *endpoint("registration/", password_views.RegistrationView.as_view(), name="registration"),
    *endpoint(
        "registration/confirm/",
        password_views.RegistrationConfirmView.as_view(),
        name="registration-confirm",
    ),
    *endpoint("user/", views.CurrentUserView.as_view(), name="user"),
    *endpoint("sessions/", views.SessionListView.as_view(), name="session-list"),
    *endpoint("sessions/<uuid:session_id>/", views.SessionView.as_view(), name="session"),
    *endpoint("password/info/", views.PasswordInfoView.as_view(), name="password-info"),
    *endpoint(
        "password/change/", password_views.PasswordChangeView.as_view(), name="password-change"
    ),
    *endpoint("password/reset/", password_views.PasswordResetView.as_view(), name="password-reset"),
    *endpoint(
        "password/reset/confirm/",
        password_views.PasswordResetConfirmView.as_view(),
        name="password-reset-confirm",
    ),
]
