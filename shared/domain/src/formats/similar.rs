//! Finds the title that was probably meant by another one.

use crate::field::{Field, spigit_fields};

/// Other titles that people give to the columns of a Spigit file: lower case, letters and digits only.
const SYNONYMS: [(&str, Field); 33] = [
    ("mail", Field::Email),
    ("emailaddress", Field::Email),
    ("mailaddress", Field::Email),
    ("emailadresse", Field::Email),
    ("workemail", Field::Email),
    ("user", Field::Username),
    ("userid", Field::Username),
    ("login", Field::Username),
    ("loginname", Field::Username),
    ("account", Field::Username),
    ("firstname", Field::FirstName),
    ("givenname", Field::FirstName),
    ("forename", Field::FirstName),
    ("first", Field::FirstName),
    ("vorname", Field::FirstName),
    ("lastname", Field::LastName),
    ("surname", Field::LastName),
    ("familyname", Field::LastName),
    ("last", Field::LastName),
    ("nachname", Field::LastName),
    ("city", Field::WorkCity),
    ("town", Field::WorkCity),
    ("state", Field::WorkState),
    ("region", Field::WorkState),
    ("partnerno", Field::PartnerNr),
    ("partnernumber", Field::PartnerNr),
    ("company", Field::CompanyId),
    ("companyno", Field::CompanyId),
    ("manager", Field::ManagerPnr),
    ("managerno", Field::ManagerPnr),
    ("jobname", Field::JobNm),
    ("jobtitle", Field::JobNm),
    ("knownas", Field::KnownAsNm),
];

/// The field of a Spigit file that was probably meant by a title, which is not that of a field.
pub(crate) fn similar_field(title: &str) -> Option<Field> {
    let short = shorten(title);
    if short.len() < 3 {
        return None;
    }
    let synonym = SYNONYMS.iter().find(|(synonym, _)| *synonym == short).map(|(_, field)| *field);
    synonym.or_else(|| {
        let fields = spigit_fields().iter();
        let distances = fields.map(|spec| (distance(&short, &shorten(spec.spigit_title)), spec.field));
        let limit = if short.len() < 6 { 1 } else { 2 };
        distances
            .filter(|(distance, _)| *distance <= limit)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, field)| field)
    })
}

/// The one of `names` that was probably meant by a name that is not among them.
pub fn similar_name(name: &str, names: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let short = shorten(name);
    let limit = match short.len() {
        0..3 => 0,
        3..6 => 1,
        _ => 2,
    };
    let distances = names.into_iter().map(|known| (distance(&short, &shorten(known)), known));
    distances.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The longest name that is compared.
const MAX_CHARS: usize = 64;

fn shorten(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(MAX_CHARS).collect()
}

/// How many characters are to be inserted, deleted or replaced to make one word of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_titles_have_a_similar_field() {
        for (title, field) in [
            ("Work City", Some(Field::WorkCity)),
            ("PARTNER_NO", Some(Field::PartnerNr)),
            ("E-Mail", Some(Field::Email)),
            ("e mail address", Some(Field::Email)),
            ("First Name", Some(Field::FirstName)),
            ("LASTNM", Some(Field::LastName)),
            ("USER NAME", Some(Field::Username)),
            ("shoe size", None),
            ("x", None),
        ] {
            assert_eq!(similar_field(title), field, "{title}");
        }
    }

    #[test]
    fn misspelled_keys_have_a_similar_name() {
        let keys = ["phone", "birth_date", "uid"];
        assert_eq!(similar_name("Phone", keys), Some("phone"));
        assert_eq!(similar_name("birthDate", keys), Some("birth_date"));
        assert_eq!(similar_name("color", keys), None);
        assert_eq!(similar_name("", keys), None);
    }
}
