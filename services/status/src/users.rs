//! `GET /bulk/v1/users/{username}`.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_domain::field::{FIELDS, FieldKind};
use muster_domain::{invisible, key};
use muster_http::{ApiError, Caller, JSON};
use muster_ports::{Scope, UserKey, UserRecord};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Status;
use crate::files::invalid;
use crate::job_status::rfc3339;

/// `GET /bulk/v1/users/{username}`: one user. The name is not case-sensitive.
pub(crate) async fn show(
    State(status): State<Status>,
    caller: Caller,
    username: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, ApiError> {
    caller.require(Scope::ImportRead)?;
    let not_found = || ApiError::new(StatusCode::NOT_FOUND, "user_not_found", "User not found.");
    let Path(username) = username.map_err(|_| not_found())?;
    // No user has a name with a NUL character, and Postgres takes none as text.
    if username.contains('\0') {
        return Err(not_found());
    }
    let key = UserKey::Username(key::fold(&username));
    let user = status.store.find_user(caller.tenant(), key).await?.ok_or_else(not_found)?;
    Ok(([(header::CONTENT_TYPE, JSON)], render(user).to_string()).into_response())
}

/// The query parameters of a search.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsersQuery {
    email: Option<String>,
    uid: Option<String>,
}

/// `GET /bulk/v1/users?email=` or `?uid=`: the user who has this e-mail or uid, as a list of at most one.
pub(crate) async fn search(
    State(status): State<Status>,
    caller: Caller,
    query: Result<Query<UsersQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    caller.require(Scope::ImportRead)?;
    let Query(query) =
        query.map_err(|_| invalid("The query cannot be read: a parameter is unknown, repeated or malformed."))?;
    let (value, key) = match (query.email, query.uid) {
        (Some(email), None) => (email.clone(), UserKey::Email(key::fold_email(&email))),
        (None, Some(uid)) => (uid.clone(), UserKey::Uid(invisible::remove(uid.trim()).into_owned())),
        _ => return Err(invalid("Exactly one of the parameters email and uid is required.")),
    };
    // No user has a value with a NUL character, and Postgres takes none as text.
    let found = if value.contains('\0') { None } else { status.store.find_user(caller.tenant(), key).await? };
    let users: Vec<Value> = found.into_iter().map(render).collect();
    Ok(([(header::CONTENT_TYPE, JSON)], json!({ "users": users, "next": null }).to_string()).into_response())
}

/// Renders every column by its name. Columns without a value are null.
fn render(mut user: UserRecord) -> Value {
    let mut body = Map::new();
    body.insert("id".to_owned(), json!(user.id));
    for spec in &FIELDS {
        let value = user.values.remove(spec.column);
        let value = match (spec.kind, value) {
            (FieldKind::Json, Some(text)) => serde_json::from_str(&text).unwrap_or_default(),
            (_, value) => json!(value),
        };
        body.insert(spec.column.to_owned(), value);
    }
    let attributes = user.attributes.and_then(|json| serde_json::from_str::<Value>(&json).ok());
    body.insert("attributes".to_owned(), attributes.unwrap_or_else(|| json!({})));
    body.insert("created_at".to_owned(), json!(rfc3339(user.created_ms)));
    body.insert("updated_at".to_owned(), json!(rfc3339(user.updated_ms)));
    Value::Object(body)
}
