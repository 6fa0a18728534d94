//! The head of a frame (RFC 6455 §5.2). Pure.

use std::io;

use bytes::{BufMut as _, BytesMut};

/// Two bytes, eight of the length, four of the key.
pub(super) const LONGEST_HEAD: usize = 14;
/// The status of a close frame: all is well.
pub(super) const NORMAL_CLOSURE: [u8; 2] = 1000_u16.to_be_bytes();

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Lengths from here on are in two bytes, or in eight.
const IN_TWO: u8 = 126;
const IN_EIGHT: u8 = 127;

/// What a frame is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opcode {
    /// A binary message, or more of one.
    Data,
    Close,
    Ping,
    Pong,
}

/// What is before the payload of a frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    pub(super) length: u64,
    /// Zeros if the payload is not masked.
    pub(super) key: [u8; 4],
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        self != Self::Data
    }

    fn code(self) -> u8 {
        match self {
            Self::Data => BINARY,
            Self::Close => CLOSE,
            Self::Ping => PING,
            Self::Pong => PONG,
        }
    }
}

impl Head {
    /// Reads a head and its length. `None` if there are not enough bytes yet. `masked` says whether
    /// the other end masks what it sends, as it must (§5.1).
    pub(super) fn read(bytes: &[u8], masked: bool) -> io::Result<Option<(Self, usize)>> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let opcode = match first & 0x0f {
            CONTINUATION | BINARY => Opcode::Data,
            CLOSE => Opcode::Close,
            PING => Opcode::Ping,
            PONG => Opcode::Pong,
            _ => return Err(broken("a frame that is neither binary nor control")),
        };
        if first & RESERVED != 0 {
            return Err(broken("a frame of an extension"));
        }
        if (second & MASKED != 0) != masked {
            return Err(broken(
                "a frame that is masked and must not be, or the opposite",
            ));
        }
        let (length, rest) = match second & !MASKED {
            IN_TWO => match rest.split_first_chunk() {
                Some((length, rest)) => (u16::from_be_bytes(*length).into(), rest),
                None => return Ok(None),
            },
            IN_EIGHT => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            length => (length.into(), rest),
        };
        if opcode.is_control() && (length >= IN_TWO.into() || first & FIN == 0) {
            return Err(broken("a control frame that is too long or not whole"));
        }
        if length > i64::MAX as u64 {
            return Err(broken("a frame that is too long"));
        }
        let (key, rest) = match rest.split_first_chunk() {
            _ if !masked => ([0; 4], rest),
            Some((key, rest)) => (*key, rest),
            None => return Ok(None),
        };
        let head = Self {
            opcode,
            length,
            key,
        };
        Ok(Some((head, bytes.len() - rest.len())))
    }
}

/// Writes the head of a whole message.
pub(super) fn put_head(to: &mut BytesMut, opcode: Opcode, length: usize, key: Option<[u8; 4]>) {
    let masked = if key.is_some() { MASKED } else { 0 };
    to.put_u8(FIN | opcode.code());
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < IN_TWO => to.put_u8(masked | length),
        (_, Ok(length)) => {
            to.put_u8(masked | IN_TWO);
            to.put_u16(length);
        }
        _ => {
            to.put_u8(masked | IN_EIGHT);
            to.put_u64(length as u64);
        }
    }
    to.extend_from_slice(key.as_ref().map_or(&[], |key| &key[..]));
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the other end of the WebSocket sent {what}"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // §5.7: a masked "Hello" (as binary), an unmasked ping, 256 bytes, 64 KiB.
        let read = |bytes: &[u8], masked| Head::read(bytes, masked).unwrap().unwrap();
        let (head, length) = read(&[0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f], true);
        assert_eq!((head.opcode, head.length, length), (Opcode::Data, 5, 6));
        assert_eq!(head.key, [0x37, 0xfa, 0x21, 0x3d]);
        let (head, length) = read(&[0x89, 0x05, 0x48], false);
        assert_eq!((head.opcode, head.length, length), (Opcode::Ping, 5, 2));
        assert_eq!(read(&[0x82, 0x7e, 0x01, 0x00], false).0.length, 256);
        let long = [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(read(&long, false).0.length, 65536);
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        for (bytes, masked) in [
            (&[0x81, 0x00][..], false),
            (&[0x83, 0x00], false),
            (&[0xc2, 0x00], false),
            (&[0x82, 0x80], false),
            (&[0x82, 0x00], true),
            (&[0x89, 0x7e, 0x00, 0x80], false),
            (&[0x09, 0x00], false),
            (&[0x82, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0], false),
        ] {
            let error = Head::read(bytes, masked).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_head_reads_back_as_it_was_written(length in 0_usize..200_000, key: Option<[u8; 4]>) {
            let mut bytes = BytesMut::new();
            put_head(&mut bytes, Opcode::Data, length, key);
            prop_assert!(bytes.len() <= LONGEST_HEAD);
            let (head, read) = Head::read(&bytes, key.is_some()).unwrap().unwrap();
            prop_assert_eq!((head.length, read), (length as u64, bytes.len()));
            prop_assert_eq!(head.key, key.unwrap_or_default());
            for less in 0..bytes.len() {
                prop_assert_eq!(Head::read(&bytes[..less], key.is_some()).unwrap(), None);
            }
        }

        #[test]
        fn any_bytes_are_a_head_or_none(bytes: Vec<u8>, masked: bool) {
            let _ = Head::read(&bytes, masked);
        }
    }
}
