//! Helpers of all targets: control bytes, and inputs that arrive in pieces.
//!
//! An input is a few printable control bytes followed by plain content, so that people can write seeds and
//! read findings.

/// Splits an input into `N` control bytes and its content. Returns `None` if the input is shorter.
pub fn controls<const N: usize>(data: &[u8]) -> Option<([u8; N], &[u8])> {
    let (controls, content) = data.split_first_chunk::<N>()?;
    Some((*controls, content))
}

/// Pseudorandom sizes of pieces, most of them small. A seed always has the same sequence.
pub struct Sizes(u32);

impl Sizes {
    /// Creates the sequence of a seed.
    pub fn new(seed: u8) -> Self {
        Self(u32::from(seed).wrapping_mul(0x9e37_79b9) | 1)
    }
}

impl Iterator for Sizes {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        let widest = 1 << (self.0 % 8);
        Some(1 + (self.0 >> 8) as usize % widest)
    }
}

/// Divides content into pieces of pseudorandom sizes. The pieces joined are the content.
pub fn pieces(content: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut rest = content;
    let mut pieces = Vec::new();
    for size in Sizes::new(seed) {
        if rest.is_empty() {
            break;
        }
        let (piece, left) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}

/// The physical line of the byte at `offset`, from 1, by a simple count of line ends.
pub fn line_at(text: &[u8], offset: usize) -> u64 {
    let mut line = 1;
    for (position, byte) in text[..offset].iter().enumerate() {
        let ends_a_line = match byte {
            b'\n' => true,
            b'\r' => text.get(position + 1) != Some(&b'\n'),
            _ => false,
        };
        line += u64::from(ends_a_line);
    }
    line
}
