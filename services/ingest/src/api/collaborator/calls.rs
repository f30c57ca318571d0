//! The three calls of the API.

use super::errors::Subject;
use crate::upload::headers::UploadHeaders;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `/csv`: a CSV file.
    Csv,
    /// `/batch`: a JSON array of objects, or a CSV file.
    Batch,
    /// `/single`: one JSON object.
    Single,
}

impl Call {
    /// What an error about the whole content is about. `headers` is `None` if they were malformed.
    pub(super) fn subject(self, headers: Option<&UploadHeaders>) -> Subject {
        let is_json = headers.is_some_and(|headers| headers.is_json() || headers.is_json_lines());
        match self {
            Self::Single => Subject::Body,
            Self::Batch if is_json => Subject::Body,
            Self::Batch | Self::Csv => Subject::File,
        }
    }

    /// Whether the call accepts content of this type.
    pub(super) fn accepts(self, headers: &UploadHeaders) -> bool {
        match self {
            Self::Csv => headers.is_file(),
            Self::Batch => headers.is_file() || headers.is_json() || headers.is_json_lines(),
            Self::Single => headers.is_json(),
        }
    }

    /// The types that the call accepts, in a sentence.
    pub(super) const fn content_types(self) -> &'static str {
        match self {
            Self::Csv => "multipart/form-data with a part `file`, or text/csv",
            Self::Batch => {
                "application/json, application/x-ndjson, multipart/form-data with a CSV file as the part `file`, or text/csv"
            }
            Self::Single => "application/json",
        }
    }
}
