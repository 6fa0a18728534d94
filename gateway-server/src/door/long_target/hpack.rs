//! A header block (HPACK, RFC 7541) with another target, if its own is too long. Only lengths are
//! read, so no table of the connection is needed. Pure.

use super::TOO_LONG_PATH;
use crate::proxy::target_uri::LONGEST;

/// `:path` in the static table.
const PATHS: [usize; 2] = [4, 5];
/// What the peer inserts into its table and is larger than that empties the table (RFC 7541 §4.4), so
/// the other target must do the same. This server allows 4096 bytes.
const TABLE: usize = 4096;
/// How many Huffman codes have so many bits, from 5 on. The codes of one length follow each other
/// (RFC 7541 appendix B).
const CODES: [u32; 26] = [
    10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4,
];

/// The block with [`TOO_LONG_PATH`] instead of its target; `None` if it can stay as it is, or cannot be
/// read.
pub(super) fn shortened(block: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader { block, at: 0 };
    loop {
        let (prefix, is_inserted) = match reader.peek()? {
            0x80.. => (7, None),
            0x40.. => (6, Some(true)),
            0x20.. => (5, None),
            _ => (4, Some(false)),
        };
        let index = reader.integer(prefix)?;
        let Some(is_inserted) = is_inserted else {
            continue;
        };
        if index == 0 {
            reader.text()?;
        }
        let before = reader.at;
        let value = reader.text()?;
        if PATHS.contains(&index) {
            return value
                .is_too_long()
                .then(|| [&block[..before], &other(is_inserted), &block[reader.at..]].concat());
        }
    }
}

/// The other target as a string.
fn other(is_inserted: bool) -> Vec<u8> {
    let length = if is_inserted {
        TABLE
    } else {
        TOO_LONG_PATH.len()
    };
    let mut path = TOO_LONG_PATH.as_bytes().to_vec();
    path.resize(length, b'x');
    let mut coded = Vec::with_capacity(length + 4);
    let Some(mut more) = length.checked_sub(0x7f) else {
        coded.push(u8::try_from(length).expect("less than 127"));
        coded.append(&mut path);
        return coded;
    };
    coded.push(0x7f);
    while more >= 0x80 {
        coded.push(u8::try_from(more & 0x7f).expect("7 bits") | 0x80);
        more >>= 7;
    }
    coded.push(u8::try_from(more).expect("7 bits"));
    coded.append(&mut path);
    coded
}

struct Reader<'a> {
    block: &'a [u8],
    at: usize,
}

/// A string as it is coded.
struct Text<'a> {
    is_huffman: bool,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.block.get(self.at).copied()
    }

    /// An integer behind the flags of its first byte (RFC 7541 §5.1).
    fn integer(&mut self, prefix: u32) -> Option<usize> {
        let most = (1 << prefix) - 1;
        let mut value = usize::from(self.peek()?) & most;
        self.at += 1;
        if value < most {
            return Some(value);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.peek()?;
            self.at += 1;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// RFC 7541 §5.2.
    fn text(&mut self) -> Option<Text<'a>> {
        let is_huffman = self.peek()? & 0x80 != 0;
        let length = self.integer(7)?;
        let bytes = self.block.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(Text { is_huffman, bytes })
    }
}

impl Text<'_> {
    fn is_too_long(&self) -> bool {
        if self.is_huffman {
            characters(self.bytes).nth(LONGEST).is_some()
        } else {
            self.bytes.len() > LONGEST
        }
    }
}

/// One item for each Huffman code.
fn characters(bytes: &[u8]) -> impl Iterator<Item = ()> {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1)));
    let mut code = Code::default();
    bits.filter_map(move |bit| code.add(bit).then_some(()))
}

/// The beginning of a code.
#[derive(Default)]
struct Code {
    bits: u32,
    length: usize,
    /// The first code of this length.
    first: u32,
}

impl Code {
    /// Adds a bit. True if the code is complete.
    fn add(&mut self, bit: u32) -> bool {
        self.bits = self.bits << 1 | bit;
        self.first <<= 1;
        self.length += 1;
        let Some(at) = self.length.checked_sub(5) else {
            return false;
        };
        let count = CODES.get(at).copied().unwrap_or(u32::MAX);
        let is_complete = self.bits.wrapping_sub(self.first) < count;
        if is_complete {
            *self = Self::default();
        } else {
            self.first += count;
        }
        is_complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `www.example.com` and `no-cache` (RFC 7541 §C.4), and all kinds of characters.
    #[test]
    fn counts_the_characters_of_what_is_coded() {
        let site = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        let cache = [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b,
            0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        for (coded, text) in [
            (site.as_slice(), "www.example.com"),
            (&cache, "no-cache"),
            (&date, "Mon, 21 Oct 2013 20:13:21 GMT"),
        ] {
            assert_eq!(characters(coded).count(), text.len(), "{text}");
        }
    }

    /// A string of so many times the letter a.
    fn huffman(count: usize) -> Vec<u8> {
        assert_eq!(count % 8, 0);
        let bytes = [0x18, 0xc6, 0x31, 0x8c, 0x63].repeat(count / 8);
        let mut coded = vec![0xff];
        let mut more = bytes.len() - 0x7f;
        while more >= 0x80 {
            coded.push(u8::try_from(more & 0x7f).unwrap() | 0x80);
            more >>= 7;
        }
        coded.push(u8::try_from(more).unwrap());
        [coded, bytes].concat()
    }

    #[test]
    fn only_a_target_that_is_too_long_is_replaced() {
        let begin = [0x82, 0x87];
        let end = [0x40, 1, b'a', 1, b'b', 0x88];
        for (kind, count, wanted) in [
            (0x04, 65_528, false),
            (0x04, 65_536, true),
            (0x44, 65_528, false),
            (0x44, 65_536, true),
        ] {
            let block = [begin.as_slice(), &[kind], &huffman(count), &end].concat();
            let Some(shorter) = shortened(&block) else {
                assert!(!wanted, "{count}");
                continue;
            };
            assert!(wanted, "{count}");
            let other = other(kind == 0x44);
            assert_eq!(shorter, [begin.as_slice(), &[kind], &other, &end].concat());
        }
    }

    #[test]
    fn what_cannot_be_read_stays() {
        for block in [
            [].as_slice(),
            &[0x04],
            &[0x04, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x04, 5, b'/'],
            &[0x00, 1],
        ] {
            assert_eq!(shortened(block), None);
        }
    }
}
