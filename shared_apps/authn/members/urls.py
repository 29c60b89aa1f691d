from shared_apps.authn.members import views
from shared_apps.core.urls import endpoint

app_name = "members"
urlpatterns = [
    *endpoint(
        "users/<uuid:user_id>/sessions/", views.MemberSessionsView.as_view(), name="session-list"
    ),
    *endpoint(
        "users/<uuid:user_id>/sessions/<uuid:session_id>/",
        views.MemberSessionView.as_view(),
        name="session",
    ),
    *endpoint("users/<uuid:user_id>/disable/", views.DisableView.as_view(), name="user-disable"),
    *endpoint("users/<uuid:user_id>/enable/", views.EnableView.as_view(), name="user-enable"),
]
