from shared_apps.accounts import views
from shared_apps.core.urls import endpoint

app_name = "accounts"
urlpatterns = [
    *endpoint("users/", views.UserListView.as_view(), name="user-list"),
    *endpoint("users/<uuid:user_id>/", views.UserView.as_view(), name="user"),
    *endpoint("users/<uuid:user_id>/role/", views.UserRoleView.as_view(), name="user-role"),
    *endpoint("roles/", views.RoleListView.as_view(), name="role-list"),
    *endpoint("roles/<uuid:role_id>/", views.RoleView.as_view(), name="role"),
]
