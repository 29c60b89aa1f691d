from shared_apps.accounts import views
from shared_apps.core.urls import endpoint

app_name = "accounts"
urlpatterns = [
    *endpoint("", views.UserListView.as_view(), name="user-list"),
    *endpoint("<uuid:user_id>/", views.UserView.as_view(), name="user"),
    *endpoint("<uuid:user_id>/role/", views.UserRoleView.as_view(), name="user-role"),
]
