//! Inspects the text of an upload before the upload is accepted: its charset, where its rows start, the syntax of JSON.

use muster_domain::charset::{CharsetCensus, FoundCharset};
use muster_domain::file_type;
use muster_domain::json_array::JsonArrayScanner;
use muster_domain::scanner::{RecordError, Scan, Scanner};
use muster_domain::sniff::{Opening, Refusal};
use muster_domain::{Charset, CharsetSource, Dialect, Format, RejectionCode, RowsStart, collaborator, spigit};
use serde_json::Value;

use super::context::UploadContext;
use super::rules::decode_head;
use crate::charset::Transcoder;

/// How many elements of a JSON array are searched for unknown keys.
const KEY_SEARCH_ELEMENTS: u64 = 1000;
/// The maximum number of unknown keys that are remembered.
const MAX_IGNORED_KEYS: usize = 50;
/// The maximum length of an unknown key that is remembered, in bytes.
const MAX_KEY_BYTES: usize = 64;

/// What was found out about a file.
pub(super) struct Inspected {
    pub(super) charset: FoundCharset,
    pub(super) opening: Opening,
    /// Keys of JSON objects that Muster does not know.
    pub(super) ignored_keys: Vec<String>,
}

/// Inspects a file while it arrives.
pub(super) enum Inspector {
    Csv(CsvInspector),
    Json(Box<JsonInspector>),
    JsonLines(JsonLinesInspector),
}

impl Inspector {
    pub(super) fn new(context: &UploadContext, format: Format) -> Self {
        match format {
            Format::Csv | Format::Workbook => {
                Self::Csv(CsvInspector { declared: context.declared_charset, ..CsvInspector::default() })
            }
            Format::Json => Self::Json(Box::new(JsonInspector::new(context))),
            Format::JsonLines => Self::JsonLines(JsonLinesInspector::default()),
        }
    }

    /// Replaces the declared charset. JSON is UTF-8, whatever is declared.
    pub(super) fn declare_charset(&mut self, declared: FoundCharset) {
        if let Self::Csv(inspector) = self {
            inspector.declared = Some(declared);
        }
    }

    /// An inspector of the file inside the archive that this one has begun to inspect.
    pub(super) fn of_content(self) -> Self {
        match self {
            Self::Csv(CsvInspector { declared, .. }) => Self::Csv(CsvInspector { declared, ..CsvInspector::default() }),
            other => other,
        }
    }

    /// Takes the first bytes of the file. `whole` says that they are all of it.
    pub(super) fn start(&mut self, context: &UploadContext, head: &[u8], whole: bool) -> Result<(), Refusal> {
        match self {
            Self::Csv(inspector) => inspector.start(context, head, whole),
            Self::Json(_) => Ok(()),
            Self::JsonLines(inspector) => inspector.start(context, head, whole),
        }
    }

    /// Takes the next bytes of a file whose whole text is inspected.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Csv(inspector) => {
                inspector.census.push(piece);
                Ok(())
            }
            Self::Json(inspector) => inspector.push(piece, false),
            Self::JsonLines(_) => Ok(()),
        }
    }

    /// Returns what was found out, at the end of the file.
    pub(super) fn finish(self, context: &UploadContext) -> Result<Inspected, Refusal> {
        match self {
            Self::Csv(inspector) => inspector.finish(context),
            Self::Json(inspector) => inspector.finish(),
            Self::JsonLines(inspector) => Ok(inspector.finish()),
        }
    }
}

/// Inspects CSV text: the first bytes, and for the charset of a Collaborator file all of it.
#[derive(Default)]
pub(super) struct CsvInspector {
    census: CharsetCensus,
    /// The charset that the client or the tenant declares.
    declared: Option<FoundCharset>,
    head: Vec<u8>,
    /// Whether the head is the whole file.
    is_whole: bool,
}

impl CsvInspector {
    /// A fault that shows in the first bytes is found before the rest has arrived.
    fn start(&mut self, context: &UploadContext, head: &[u8], whole: bool) -> Result<(), Refusal> {
        // UTF-16 that is declared needs no byte order mark.
        if !self.declared.is_some_and(|declared| declared.charset.is_utf_16()) {
            file_type::refuse_other_types(head)?;
        }
        head.clone_into(&mut self.head);
        self.is_whole = whole;
        let rules = context.rules();
        if !rules.inspects_whole_text {
            self.census.push(head);
            return Ok(());
        }
        let census = CharsetCensus::of(head);
        match census.decide(self.declared, whole) {
            Some(found) => {
                let text = decode_head(found.charset, head, whole);
                (rules.find_rows)(&text, whole, context.cut.record, &context.own_titles).map(drop)
            }
            // Only the rest of the file tells the charset.
            None => Ok(()),
        }
    }

    fn finish(self, context: &UploadContext) -> Result<Inspected, Refusal> {
        let rules = context.rules();
        // The head of a file that is not read to its end may cut a character.
        let is_complete = self.is_whole || rules.inspects_whole_text;
        let charset = match self.census.decide(self.declared, is_complete) {
            Some(found) => found,
            None => (rules.guess_charset)(&self.census, &self.head, self.is_whole)?,
        };
        let text = decode_head(charset.charset, &self.head, self.is_whole);
        let opening = (rules.find_rows)(&text, self.is_whole, context.cut.record, &context.own_titles)?;
        Ok(Inspected { charset, opening, ignored_keys: Vec::new() })
    }
}

/// Inspects a JSON array.
pub(super) struct JsonInspector {
    scanner: JsonArrayScanner,
    /// Converts the text to UTF-8; `None` until the first bytes have told its charset.
    transcoder: Option<Transcoder>,
    charset: FoundCharset,
    elements: u64,
    ignored_keys: IgnoredKeys,
    /// Whether the text is an object that holds an array of objects.
    is_wrapped: bool,
}

impl JsonInspector {
    fn new(context: &UploadContext) -> Self {
        Self {
            scanner: JsonArrayScanner::new(context.cut.record, 1),
            transcoder: None,
            charset: UTF_8_CONTENT,
            elements: 0,
            ignored_keys: IgnoredKeys::default(),
            is_wrapped: false,
        }
    }

    fn push(&mut self, piece: &[u8], at_end: bool) -> Result<(), Refusal> {
        if self.transcoder.is_none() && !piece.is_empty() {
            // The first piece has the whole mark unless a client sends it byte by byte, which is UTF-8 then.
            self.charset = charset_of_json(piece);
        }
        let charset = self.charset.charset;
        let mut transcoder = self.transcoder.take().unwrap_or_else(|| Transcoder::new(charset));
        let counted = self.count_elements(transcoder.decode(piece, at_end), at_end);
        self.transcoder = Some(transcoder);
        counted
    }

    /// Counts the array elements that end within a text.
    fn count_elements(&mut self, mut text: &[u8], at_end: bool) -> Result<(), Refusal> {
        loop {
            match self.scanner.scan(text, at_end).map_err(Refusal::Json)? {
                Scan::Record(used) => {
                    self.elements += 1;
                    text = &text[used..];
                    if self.elements <= KEY_SEARCH_ELEMENTS {
                        self.inspect_element();
                    }
                }
                Scan::NeedInput | Scan::End => return Ok(()),
            }
        }
    }

    fn inspect_element(&mut self) {
        let Ok(Value::Object(object)) = serde_json::from_slice(self.scanner.raw()) else { return };
        if self.elements == 1 && !object.contains_key("uid") {
            let is_list = |value: &Value| value.as_array().is_some_and(|items| items.iter().any(Value::is_object));
            self.is_wrapped = object.values().any(is_list);
        }
        self.ignored_keys.extend(object.into_iter().map(|(key, _)| key).filter(|key| !collaborator::is_key(key)));
    }

    fn finish(mut self: Box<Self>) -> Result<Inspected, Refusal> {
        self.push(&[], true)?;
        if self.elements == 0 {
            return Err(Refusal::NoUsers);
        }
        if self.is_wrapped && self.elements == 1 {
            let problem = "expected an array of users, found an object that holds one: send the array alone";
            let code = RejectionCode::JsonInvalid;
            return Err(Refusal::Json(RecordError { line: 1, code, problem: problem.to_owned() }));
        }
        let opening = Opening { titles: Vec::new(), start: RowsStart::default() };
        Ok(Inspected { charset: self.charset, opening, ignored_keys: self.ignored_keys.0 })
    }
}

/// Inspects the first lines of a file with one JSON object a line. Later ones fail on their own.
#[derive(Default)]
pub(super) struct JsonLinesInspector {
    charset: Option<FoundCharset>,
    unknown_keys: IgnoredKeys,
}

impl JsonLinesInspector {
    fn start(&mut self, context: &UploadContext, head: &[u8], whole: bool) -> Result<(), Refusal> {
        let charset = charset_of_json(head);
        self.charset = Some(charset);
        let text = decode_head(charset.charset, head, whole);
        let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let Some(first) = lines.next() else { return if whole { Err(Refusal::NoUsers) } else { Ok(()) } };
        let is_complete = whole || text.contains(&b'\n');
        if is_complete && !matches!(serde_json::from_slice(first), Ok(Value::Object(_))) {
            let problem = "the first line is not a JSON object; expected one object a line";
            let code = RejectionCode::JsonInvalid;
            return Err(Refusal::Json(RecordError { line: 1, code, problem: problem.to_owned() }));
        }
        for line in [first].into_iter().chain(lines).take(usize::try_from(KEY_SEARCH_ELEMENTS).unwrap_or(usize::MAX)) {
            self.unknown_keys.extend(match context.dialect {
                Dialect::Spigit => spigit::unknown_keys(line),
                Dialect::Collaborator => collaborator::unknown_keys(line),
            });
        }
        Ok(())
    }

    fn finish(self) -> Inspected {
        let opening = Opening { titles: Vec::new(), start: RowsStart::default() };
        Inspected { charset: self.charset.unwrap_or(UTF_8_CONTENT), opening, ignored_keys: self.unknown_keys.0 }
    }
}

/// JSON is UTF-8, or has a byte order mark.
const UTF_8_CONTENT: FoundCharset = FoundCharset { charset: Charset::UTF_8, source: CharsetSource::Content };

fn charset_of_json(start: &[u8]) -> FoundCharset {
    Charset::of_mark(start).map_or(UTF_8_CONTENT, |charset| FoundCharset { charset, source: CharsetSource::Mark })
}

/// Keys that are none of the API's: the first ones, each once.
#[derive(Default)]
struct IgnoredKeys(Vec<String>);

impl IgnoredKeys {
    fn extend(&mut self, keys: impl IntoIterator<Item = String>) {
        for key in keys {
            if self.0.len() < MAX_IGNORED_KEYS && key.len() <= MAX_KEY_BYTES && !self.0.contains(&key) {
                self.0.push(key);
            }
        }
    }
}
