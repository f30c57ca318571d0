//! What the targets share: the control bytes before an input, and pieces of chosen sizes.
//!
//! An input is a few printable control bytes and then plain content, so that seeds can be written and
//! findings read by hand.

/// Splits an input into `N` control bytes and its content.
pub fn controls<const N: usize>(data: &[u8]) -> Option<([u8; N], &[u8])> {
    let (controls, content) = data.split_first_chunk::<N>()?;
    Some((*controls, content))
}

/// Sizes of pieces: the same for the same seed, most of them small, some of them larger.
pub struct Sizes(u32);

impl Sizes {
    /// Sizes that follow from a seed.
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

/// Cuts content into pieces of the sizes that follow from a seed. The pieces joined are the content.
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

/// The physical line on which byte `offset` of a text lies, counted the simplest way.
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
