//! Text that a scanner was fed and has not consumed.

/// Consumed text is removed once it is longer than this.
const MAX_CONSUMED_BYTES: usize = 64 * 1024;

/// Text that a scanner was fed and has not consumed.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    consumed: usize,
}

impl Buffer {
    /// Adds text at the end.
    pub(super) fn append(&mut self, input: &[u8]) {
        // The text that is moved to the front is never longer than the text that is removed, so on average a
        // byte is moved no more than once.
        if self.consumed == self.bytes.len() {
            self.bytes.clear();
            self.consumed = 0;
        } else if self.consumed > MAX_CONSUMED_BYTES && self.consumed >= self.bytes.len() / 2 {
            self.bytes.drain(..self.consumed);
            self.consumed = 0;
        }
        self.bytes.extend_from_slice(input);
    }

    /// The text that is not consumed.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.consumed..]
    }

    /// Consumes this number of bytes, which must be in the buffer.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.consumed += bytes;
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
