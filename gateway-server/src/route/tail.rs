//! Which tails may be passed on as they are. Pure.

use percent_encoding::percent_decode_str;

use super::PathError;

/// Refuses a tail that could mean another path to whoever reads it next.
///
/// Escapes are undone until nothing changes, since a server behind the managed cluster's own proxy
/// may undo them once more than we do.
pub(crate) fn check_tail(tail: &str) -> Result<(), PathError> {
    check_escapes(tail)?;
    for segment in tail.split('/') {
        if is_dotted(segment.as_bytes()) {
            return Err(PathError::DotSegment {
                segment: segment.to_owned(),
            });
        }
        // Most segments have no escape: nothing is decoded, nothing allocated.
        if segment.contains('%') {
            check_decoded(segment)?;
        }
    }
    Ok(())
}

fn check_escapes(tail: &str) -> Result<(), PathError> {
    let mut parts = tail.split('%');
    parts.next();
    if parts.all(|part| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit)) {
        Ok(())
    } else {
        Err(PathError::Escape)
    }
}

fn check_decoded(segment: &str) -> Result<(), PathError> {
    let mut encoded = segment.to_owned();
    loop {
        let decoded: Vec<u8> = percent_decode_str(&encoded).collect();
        if decoded.iter().any(u8::is_ascii_control) {
            return Err(PathError::Control);
        }
        if decoded
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .any(is_dotted)
        {
            return Err(PathError::DotSegment {
                segment: segment.to_owned(),
            });
        }
        let decoded = String::from_utf8_lossy(&decoded).into_owned();
        if decoded == encoded {
            return Ok(());
        }
        encoded = decoded;
    }
}

/// The segment is `.` or `..`; some servers ignore what follows a semicolon.
fn is_dotted(segment: &[u8]) -> bool {
    let bare = segment
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or(segment);
    bare.split(|byte| *byte == b'\\')
        .any(|part| part == b"." || part == b"..")
}
