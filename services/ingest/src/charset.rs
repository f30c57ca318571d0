//! Converts the text of a file to UTF-8.

use encoding_rs::Decoder;
use muster_domain::Charset;

/// Converts a file piece by piece.
pub(crate) struct Transcoder {
    /// `None` for UTF-8, which needs no conversion.
    decoder: Option<Decoder>,
    text: String,
}

impl Transcoder {
    pub(crate) fn new(charset: Charset) -> Self {
        let decoder = (charset != Charset::UTF_8).then(|| charset.encoding().new_decoder_with_bom_removal());
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
