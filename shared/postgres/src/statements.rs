//! Statements that name the columns of users. Their column lists come from the list of fields.

use std::sync::LazyLock;

use muster_domain::field::{FieldKind, FieldSpec};
use muster_domain::shape::{Columns, Identity};
use muster_sql::expand;
use muster_sql::template::{self, ByShape};

use crate::sql;

/// The statements for rows of one shape.
#[derive(Debug)]
pub(crate) struct UserStatements {
    pub(crate) probe_user_digests: String,
    pub(crate) probe_users: String,
    pub(crate) number_waiting: String,
    pub(crate) copy_users: String,
    pub(crate) copy_stage: String,
    pub(crate) update_staged: String,
    pub(crate) insert_staged: String,
    pub(crate) insert_user: String,
    pub(crate) update_user: String,
}

/// The statements for users of any shape.
pub(crate) static CREATE_STAGE: LazyLock<String> =
    LazyLock::new(|| fill(sql::CREATE_STAGE, Identity::Username, Columns::All));
/// One user with every field, to be read back.
pub(crate) static FIND_USER: LazyLock<String> =
    LazyLock::new(|| fill(sql::FIND_USER, Identity::Username, Columns::All));

/// The same, found by its e-mail.
pub(crate) static FIND_USER_BY_EMAIL: LazyLock<String> =
    LazyLock::new(|| fill(sql::FIND_USER_BY_EMAIL, Identity::Username, Columns::All));
/// The same, found by its uid.
pub(crate) static FIND_USER_BY_UID: LazyLock<String> =
    LazyLock::new(|| fill(sql::FIND_USER_BY_UID, Identity::Username, Columns::All));

static SHAPES: LazyLock<ByShape<UserStatements>> = LazyLock::new(|| ByShape::new(UserStatements::new));

/// The statements for rows that identify users in this way and can set these fields.
pub(crate) fn for_shape(identity: Identity, columns: Columns) -> &'static UserStatements {
    SHAPES.get(identity, columns)
}

impl UserStatements {
    fn new(identity: Identity, columns: Columns) -> Self {
        let fill = |template| fill(template, identity, columns);
        Self {
            probe_user_digests: fill(sql::PROBE_USER_DIGESTS),
            probe_users: fill(sql::PROBE_USERS),
            number_waiting: fill(sql::NUMBER_WAITING),
            copy_users: fill(sql::COPY_USERS),
            copy_stage: fill(sql::COPY_STAGE),
            update_staged: fill(sql::UPDATE_STAGED),
            insert_staged: fill(sql::INSERT_STAGED),
            insert_user: fill(sql::INSERT_USER),
            update_user: fill(sql::UPDATE_USER),
        }
    }
}

/// Every statement with its name as it is executed: for the test that prepares them.
pub fn all() -> Vec<(String, String)> {
    template::all(sql::ALL, fill)
}

fn fill(statement: &str, identity: Identity, columns: Columns) -> String {
    expand(statement, |placeholder, first| match placeholder {
        "key" => identity.column().to_owned(),
        "fields" => template::columns(columns, |_, field| field.column.to_owned()),
        "fields_as_text" => template::columns(columns, |_, field| as_text(field)),
        "fields_with_types" => template::columns(columns, |_, field| format!("{} {}", field.column, type_of(field))),
        "field_values" => template::columns(columns, |index, field| parameter(first + index, field)),
        "set_fields" => {
            template::columns(columns, |index, field| format!("{} = {}", field.column, parameter(first + index, field)))
        }
        "set_fields_from_stage" => template::columns(columns, |_, field| format!("{0} = s.{0}", field.column)),
        other => unreachable!("the placeholder {other} has no meaning"),
    })
}

fn type_of(field: &FieldSpec) -> &'static str {
    match field.kind {
        FieldKind::Text(_) | FieldKind::Email => "text",
        FieldKind::Date => "date",
        // A narrower column takes it by an assignment cast.
        FieldKind::Number => "bigint",
        FieldKind::Json => "json",
    }
}

/// A column in the canonical text of `shared/domain`.
fn as_text(field: &FieldSpec) -> String {
    let column = field.column;
    match field.kind {
        FieldKind::Text(_) | FieldKind::Email => column.to_owned(),
        FieldKind::Date => format!("to_char({column}, 'YYYY-MM-DD') as {column}"),
        FieldKind::Number | FieldKind::Json => format!("{column}::text as {column}"),
    }
}

/// A parameter that is bound as text.
fn parameter(number: usize, field: &FieldSpec) -> String {
    match field.kind {
        FieldKind::Text(_) | FieldKind::Email => format!("${number}"),
        FieldKind::Date | FieldKind::Json => format!("${number}::{}", type_of(field)),
        FieldKind::Number => format!("${number}::text::{}", type_of(field)),
    }
}
