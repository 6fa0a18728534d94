//! HTTP/2 frames as bytes (RFC 9113 §4.1), and headers as literals (RFC 7541 §6.2.2).

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub(crate) fn data(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(0, flags, stream, payload)
}

pub(crate) fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(1, flags, stream, block)
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(3, 0, stream, &8_u32.to_be_bytes())
}

pub(crate) fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[])
}

pub(crate) fn settings_ack() -> Vec<u8> {
    frame(4, ACK, 0, &[])
}

pub(crate) fn push_promise(stream: u32, promised: u32) -> Vec<u8> {
    let mut payload = promised.to_be_bytes().to_vec();
    payload.extend(request("GET", "/pushed"));
    frame(5, END_HEADERS, stream, &payload)
}

pub(crate) fn ping() -> Vec<u8> {
    frame(6, 0, 0, b"pingpong")
}

pub(crate) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(8, 0, stream, &by.to_be_bytes())
}

pub(crate) fn continuation(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(9, flags, stream, block)
}

/// A header that is not in any table. Name and value are shorter than 16 KiB.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name, value] {
        integer(text.len(), &mut block);
        block.extend(text.as_bytes());
    }
    block
}

/// An integer of RFC 7541 §5.1, with a prefix of 7 bits.
fn integer(mut number: usize, block: &mut Vec<u8>) {
    if number < 127 {
        block.push(u8::try_from(number).unwrap());
        return;
    }
    block.push(127);
    number -= 127;
    while number >= 128 {
        block.push(u8::try_from(number % 128).unwrap() | 128);
        number /= 128;
    }
    block.push(u8::try_from(number).unwrap());
}

pub(crate) fn status(code: &str) -> Vec<u8> {
    literal(":status", code)
}

pub(crate) fn hello() -> Vec<u8> {
    let versions = ["oldest", "newest"].map(|end| literal(&format!("spokeway-{end}-version"), "1"));
    versions.concat()
}

pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    let parts = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "agent"),
    ];
    parts.map(|(name, value)| literal(name, value)).concat()
}

pub(crate) fn connect(authority: &str) -> Vec<u8> {
    [
        literal(":method", "CONNECT"),
        literal(":authority", authority),
    ]
    .concat()
}
