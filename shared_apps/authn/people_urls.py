"""What administrators do about the sign-ins of their people: addresses below those of accounts."""

from shared_apps.authn import password_views
from shared_apps.core.urls import endpoint

app_name = "authn-people"
urlpatterns = [
    *endpoint(
        "users/<uuid:user_id>/password-reset/",
        password_views.UserPasswordResetView.as_view(),
        name="user-password-reset",
    ),
]
