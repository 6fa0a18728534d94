//! Reads the end of a log file for error messages.

use std::{
    fmt,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// The largest number of bytes that are read, however long the log is.
const WINDOW: u64 = 64 * 1024;

/// The end of a log. It stays readable if an `unwrap` prints the error that contains it.
#[derive(Clone, PartialEq, Eq)]
pub struct LogTail(String);

impl LogTail {
    /// The last `lines` lines that were written at or after byte `from`; empty if there is no log.
    pub(crate) fn read(log: &Path, from: u64, lines: usize) -> Self {
        let text = window(log, from).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<_> = text.lines().collect();
        Self(all[all.len().saturating_sub(lines)..].join("\n"))
    }

    /// The lines.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}\n")
    }
}

fn window(log: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(WINDOW))))?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_last_lines_written_since() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\ntwo\nthree\n").unwrap();
        assert_eq!(LogTail::read(file.path(), 0, 2).as_str(), "two\nthree");
        assert_eq!(LogTail::read(file.path(), 8, 2).as_str(), "three");
        assert_eq!(LogTail::read(Path::new("/nowhere"), 0, 2).as_str(), "");
    }
}
