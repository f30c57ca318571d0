//! Statements that name the columns of users are templates: their column lists come from the list of fields.
//!
//! A placeholder is `{name}` or `{name from $N}`, where `N` is the number of the first parameter that it may use.
//! Each store passes what a placeholder stands for; what is common to both is [`columns`].

use muster_domain::field::FieldSpec;
use muster_domain::shape::{Columns, Identity};

/// Replaces each placeholder of a template by what `fill` returns for its name and first parameter (0 if it has none).
///
/// # Panics
///
/// If a placeholder is not closed or its number is not one: a template is part of the program.
pub fn expand(template: &str, fill: impl Fn(&str, usize) -> String) -> String {
    let mut statement = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, placeholder)) = rest.split_once('{') {
        let (placeholder, after) = placeholder.split_once('}').expect("a placeholder ends with a brace");
        let (name, first) = placeholder.split_once(" from ").unwrap_or((placeholder, "$0"));
        let first = first[1..].parse().expect("the first parameter of a placeholder is a number");
        statement.push_str(before);
        statement.push_str(&fill(name, first));
        rest = after;
    }
    statement.push_str(rest);
    statement
}

/// A comma-separated list with one item for each field. `item` receives the position of the field, from 0.
pub fn columns(columns: Columns, item: impl Fn(usize, &FieldSpec) -> String) -> String {
    let items: Vec<String> = columns.fields().iter().enumerate().map(|(index, field)| item(index, field)).collect();
    items.join(", ")
}

/// A value for every shape, such as the statements for its rows.
#[derive(Debug)]
pub struct ByShape<T>(Vec<((Identity, Columns), T)>);

impl<T> ByShape<T> {
    /// Makes the value of each shape.
    pub fn new(make: impl Fn(Identity, Columns) -> T) -> Self {
        Self(shapes().map(|shape| (shape, make(shape.0, shape.1))).collect())
    }

    /// The value of a shape.
    pub fn get(&self, identity: Identity, columns: Columns) -> &T {
        let found = self.0.iter().find(|(shape, _)| *shape == (identity, columns));
        &found.expect("there is a value for every shape").1
    }
}

/// Every shape: a combination of an identity and a set of columns.
fn shapes() -> impl Iterator<Item = (Identity, Columns)> {
    Identity::ALL.into_iter().flat_map(|identity| Columns::BOTH.map(|columns| (identity, columns)))
}

/// Statements as they are executed, templates once for each shape: what the test of a store prepares.
pub fn all(listed: &[(&str, &str, &str)], fill: impl Fn(&str, Identity, Columns) -> String) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (_, name, statement) in listed {
        if statement.contains('{') {
            let filled = |(identity, columns)| {
                (format!("{name} ({identity:?}, {columns:?})"), fill(statement, identity, columns))
            };
            all.extend(shapes().map(filled));
        } else {
            all.push(((*name).to_owned(), (*statement).to_owned()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_by_name_and_first_parameter() {
        let fill = |name: &str, first: usize| format!("<{name}:{first}>");
        assert_eq!(expand("a {x} b {y z from $12};", fill), "a <x:0> b <y z:12>;");
        assert_eq!(expand("nothing", fill), "nothing");
    }

    #[test]
    fn a_list_has_an_item_for_each_field_of_the_set() {
        let core = columns(Columns::Core, |index, field| format!("{} {index}", field.column));
        assert!(core.starts_with("email 0, username 1, "), "{core}");
        assert_eq!(core.matches(", ").count() + 1, Columns::Core.fields().len());
    }
}
