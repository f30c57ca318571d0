//! Statements that name the columns of users. Their column lists come from the list of fields.

use std::sync::LazyLock;

use muster_domain::shape::{Columns, Identity};
use muster_sql::expand;
use muster_sql::template::{self, ByShape};

use crate::sql;

/// The statements for rows of one shape.
#[derive(Debug)]
pub(crate) struct UserStatements {
    pub(crate) probe: String,
    pub(crate) insert: String,
    pub(crate) update: String,
    pub(crate) number_waiting: String,
}

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
            probe: fill(sql::PROBE_USER),
            insert: fill(sql::INSERT_USER),
            update: fill(sql::UPDATE_USER),
            number_waiting: fill(sql::NUMBER_WAITING),
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
        "field_values" => template::columns(columns, |index, _| format!("?{}", first + index)),
        "set_fields" => template::columns(columns, |index, field| format!("{} = ?{}", field.column, first + index)),
        other => unreachable!("the placeholder {other} has no meaning"),
    })
}
