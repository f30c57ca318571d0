//! The number formats of cells: whether a number is a date, and how many digits are shown.

use std::collections::HashMap;
use std::io::BufRead;

use crate::error::ArchiveError;
use crate::xml::{Node, Xml, attribute};

/// The maximum number of cell formats; Excel has at most 65,490.
const MAX_FORMATS: usize = 1 << 16;

/// What a number format makes of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NumberFormat {
    /// A number.
    #[default]
    Number,
    /// A number of at least this many digits, with zeros in front.
    Zeros(usize),
    /// A date, perhaps with a time.
    Date,
    /// A time of the day or a duration.
    Time,
}

/// The number format of each style.
#[derive(Debug, Default)]
pub(super) struct Styles(Vec<NumberFormat>);

impl Styles {
    pub(super) fn read(input: impl BufRead) -> Result<Self, ArchiveError> {
        let mut xml = Xml::new(input);
        let mut own_formats: HashMap<u32, NumberFormat> = HashMap::new();
        let (mut formats, mut is_cell_format) = (Vec::new(), false);
        loop {
            match xml.next()? {
                Node::Start(start) => match start.local_name().as_ref() {
                    b"numFmt" => {
                        let (id, code) = (attribute(&start, "numFmtId")?, attribute(&start, "formatCode")?);
                        if let (Some(id), Some(code)) = (id.and_then(|id| id.parse().ok()), code) {
                            own_formats.insert(id, of_code(&code));
                        }
                    }
                    b"cellXfs" => is_cell_format = true,
                    b"xf" if is_cell_format => {
                        let id = attribute(&start, "numFmtId")?.and_then(|id| id.parse().ok()).unwrap_or_default();
                        formats.push(own_formats.get(&id).copied().unwrap_or_else(|| of_known_id(id)));
                    }
                    _ => {}
                },
                Node::End(b"cellXfs") => is_cell_format = false,
                Node::Eof => return Ok(Self(formats)),
                Node::End(_) | Node::Text(_) => {}
            }
            if formats.len() > MAX_FORMATS || own_formats.len() > MAX_FORMATS {
                return Err(ArchiveError::WorkbookDamaged("it has too many cell formats"));
            }
        }
    }

    /// The number format of a style; a style that is not listed has none.
    pub(super) fn format(&self, style: usize) -> NumberFormat {
        self.0.get(style).copied().unwrap_or_default()
    }
}

/// The format of an id that needs no code (ECMA-376 part 1, 18.8.30).
fn of_known_id(id: u32) -> NumberFormat {
    match id {
        14..=17 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58 => NumberFormat::Date,
        18..=21 | 32..=35 | 45..=47 | 55 | 56 => NumberFormat::Time,
        _ => NumberFormat::Number,
    }
}

/// The format of a code such as `dd.mm.yyyy` or `00000`.
fn of_code(code: &str) -> NumberFormat {
    let letters = format_letters(code);
    let has = |wanted: &str| letters.contains(|letter| wanted.contains(letter));
    if has("yd") {
        NumberFormat::Date
    } else if has("hs") {
        NumberFormat::Time
    } else if has("m") {
        NumberFormat::Date
    } else if letters.len() > 1 && letters.bytes().all(|letter| letter == b'0') {
        NumberFormat::Zeros(letters.len())
    } else {
        NumberFormat::Number
    }
}

/// The signs of the first section of a code that stand for parts of the value, in lower case.
fn format_letters(code: &str) -> String {
    let mut letters = String::new();
    let mut rest = code.chars();
    while let Some(sign) = rest.next() {
        match sign {
            ';' => break,
            '"' => drop(rest.by_ref().find(|sign| *sign == '"')),
            '\\' | '_' | '*' => drop(rest.next()),
            '[' => {
                // A duration, such as `[h]`, or a color, condition or language.
                let inner: String = rest.by_ref().take_while(|sign| *sign != ']').collect();
                let inner = inner.to_ascii_lowercase();
                if !inner.is_empty() && inner.bytes().all(|letter| b"hms".contains(&letter)) {
                    letters.push('h');
                }
            }
            sign => letters.extend(sign.to_lowercase()),
        }
    }
    letters.replace("general", "").replace("am/pm", "").replace("a/p", "")
}

#[cfg(test)]
mod tests {
    use super::NumberFormat::{Date, Number, Time, Zeros};
    use super::*;

    #[test]
    fn codes_show_dates_times_and_zeros() {
        for (code, format) in [
            ("General", Number),
            ("0", Number),
            ("0.00", Number),
            ("#,##0", Number),
            ("00000", Zeros(5)),
            ("0000;-0000", Zeros(4)),
            ("@", Number),
            ("dd\\.mm\\.yyyy", Date),
            ("[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", Date),
            ("m/d/yy h:mm", Date),
            ("mmm", Date),
            ("h:mm AM/PM", Time),
            ("[h]:mm:ss", Time),
            ("[Red]0", Number),
            ("0\" days\"", Number),
            ("\"year\"0", Number),
        ] {
            assert_eq!(of_code(code), format, "{code}");
        }
    }

    #[test]
    fn styles_have_the_formats_of_their_ids() {
        let xml = "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"0000\"/></numFmts>\
                   <cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs>\
                   <cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"164\"/><xf numFmtId=\"20\"/></cellXfs>\
                   <cellStyles/></styleSheet>";
        let styles = Styles::read(xml.as_bytes()).unwrap();
        let found = [0, 1, 2, 3, 4].map(|style| styles.format(style));
        assert_eq!(found, [Number, Date, Zeros(4), Time, Number]);
    }
}
