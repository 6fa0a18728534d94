//! The file of the audit log. Only the gateway's user can read it. When it is full, it gets another
//! name, and the oldest of those are deleted.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::writer::Sink;

/// When a file is full, and how many full ones are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) bytes: u64,
    /// 0 for all.
    pub(super) backups: usize,
    pub(super) clock: fn() -> Timestamp,
}

/// An open file.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    /// Up to the end of the last whole line.
    length: u64,
    /// It may end in the middle of a line.
    is_torn: bool,
}

impl AuditFile {
    /// Opens a file to append to it. It is made if it does not exist.
    pub(super) fn open(path: PathBuf, rotation: Rotation) -> io::Result<Self> {
        let file = open(&path)?;
        Ok(Self {
            length: file.metadata()?.len(),
            path,
            rotation,
            file,
            is_torn: false,
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let (stem, extension) = self.parts();
        let now = (self.rotation.clock)().strftime("%Y-%m-%dT%H-%M-%S.%6f");
        fs::rename(
            &self.path,
            self.path.with_file_name(format!("{stem}-{now}{extension}")),
        )?;
        self.file = open(&self.path)?;
        (self.length, self.is_torn) = (0, false);
        self.prune()
    }

    /// Deletes the oldest files beyond the number that is kept.
    fn prune(&self) -> io::Result<()> {
        if self.rotation.backups == 0 {
            return Ok(());
        }
        let (stem, extension) = self.parts();
        let directory = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        let mut full: Vec<_> = fs::read_dir(directory)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| is_backup(name, &stem, &extension))
            .collect();
        full.sort_unstable();
        let surplus = full.len().saturating_sub(self.rotation.backups);
        full[..surplus]
            .iter()
            .try_for_each(|name| fs::remove_file(directory.join(name)))
    }

    /// The name of the file in front of its extension, and that with its dot.
    fn parts(&self) -> (String, String) {
        let part =
            |part: Option<&std::ffi::OsStr>| part.map(|it| it.to_string_lossy().into_owned());
        let extension = part(self.path.extension()).map(|it| format!(".{it}"));
        let stem = part(self.path.file_stem());
        (stem.unwrap_or_default(), extension.unwrap_or_default())
    }
}

/// A name with a time of which only the digits differ.
fn is_backup(name: &str, stem: &str, extension: &str) -> bool {
    const TIME: &str = "0000-00-00T00-00-00.000000";
    let middle = name.strip_prefix(stem).and_then(|it| it.strip_prefix('-'));
    let time = middle.and_then(|it| it.strip_suffix(extension));
    let digits = |text: &str| text.replace(|it: char| it.is_ascii_digit(), "0");
    time.is_some_and(|time| digits(time) == TIME)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

impl Sink for AuditFile {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let is_full = self.length > 0 && self.length + lines.len() as u64 > self.rotation.bytes;
        // A file that cannot be rotated still takes events; the error is told after that.
        let rotated = if is_full { self.rotate() } else { Ok(()) };
        if self.is_torn {
            self.file.write_all(b"\n")?;
            self.is_torn = false;
        }
        if let Err(error) = self.file.write_all(lines) {
            // No reader should find half of a line.
            self.is_torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += lines.len() as u64;
        rotated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(bytes: u64, backups: usize) -> Rotation {
        let clock = || kubernetes::clock::now();
        Rotation {
            bytes,
            backups,
            clock,
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_full_file_gets_another_name_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let other = directory.path().join("audit-other.log");
        fs::write(&other, "not ours").unwrap();
        let mut file = AuditFile::open(path.clone(), rotation(10, 2)).unwrap();
        for number in 0..5 {
            file.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        let names = names(directory.path());
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(other.exists());
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 4\n");
        let newest = names
            .iter()
            .rfind(|it| is_backup(it, "audit", ".log"))
            .unwrap();
        let newest = fs::read_to_string(directory.path().join(newest)).unwrap();
        assert_eq!(newest, "line 3\n");
    }

    #[test]
    fn a_file_is_continued_and_only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        for line in ["one\n", "two\n"] {
            let mut file = AuditFile::open(path.clone(), rotation(1 << 20, 0)).unwrap();
            file.append(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_full_disk_is_an_error_each_time() {
        let mut file = AuditFile::open("/dev/full".into(), rotation(1 << 20, 1)).unwrap();
        for _ in 0..2 {
            let error = file.append(b"line\n").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }
}
