//! Converts the text of a file to UTF-8.

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE, WINDOWS_1251};
use muster_domain::Charset;

/// Converts a file piece by piece.
pub(crate) struct Transcoder {
    /// `None` for UTF-8, which needs no conversion.
    decoder: Option<Decoder>,
    text: String,
}

impl Transcoder {
    pub(crate) fn new(charset: Charset) -> Self {
        let decoder = match charset {
            Charset::Utf8 => None,
            Charset::Utf16Le => Some(UTF_16LE.new_decoder_with_bom_removal()),
            Charset::Utf16Be => Some(UTF_16BE.new_decoder_with_bom_removal()),
            Charset::Windows1251 => Some(WINDOWS_1251.new_decoder_without_bom_handling()),
        };
        Self { decoder, text: String::new() }
    }

    /// Converts a piece. Malformed sequences become U+FFFD, which shows where they were.
    pub(crate) fn decode<'a>(&'a mut self, piece: &'a [u8], last: bool) -> &'a [u8] {
        let Some(decoder) = &mut self.decoder else { return piece };
        self.text.clear();
        self.text.reserve(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len() * 3));
        let (_, _, _) = decoder.decode_to_string(piece, &mut self.text, last);
        self.text.as_bytes()
    }
}
