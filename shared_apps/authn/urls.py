from shared_apps.authn import views
from shared_apps.core.urls import endpoint

app_name = "authn"
urlpatterns = [
    *endpoint("login/", views.LoginView.as_view(), name="login"),
    *endpoint("refresh/", views.RefreshView.as_view(), name="refresh"),
    *endpoint("logout/", views.LogoutView.as_view(), name="logout"),
    *endpoint("registration/", views.RegistrationView.as_view(), name="registration"),
    *endpoint("user/", views.CurrentUserView.as_view(), name="user"),
    *endpoint("sessions/", views.SessionListView.as_view(), name="session-list"),
    *endpoint("sessions/<uuid:session_id>/", views.SessionView.as_view(), name="session"),
    *endpoint("password/info/", views.PasswordInfoView.as_view(), name="password-info"),
    *endpoint("password/change/", views.PasswordChangeView.as_view(), name="password-change"),
]
