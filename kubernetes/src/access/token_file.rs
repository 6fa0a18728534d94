//! A token in a file that somebody else renews. Blanks around it do not count: most files end with a
//! newline.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a token that was read counts.
const COUNTS_FOR: Duration = Duration::from_secs(50);

/// The token, as it was read last.
#[derive(Clone, Debug)]
pub(super) struct TokenFile(Arc<Mutex<Known>>);

#[derive(Debug)]
struct Known {
    path: PathBuf,
    /// `None` if there was none so far.
    header: Option<HeaderValue>,
    read: Instant,
}

impl TokenFile {
    /// Reads the file, which must contain a token at this time.
    pub(super) fn read(path: PathBuf) -> io::Result<Self> {
        let header = Some(header(&path)?);
        Ok(Self::of(path, header))
    }

    /// A file that contains no token yet.
    pub(super) fn absent(path: PathBuf) -> Self {
        Self::of(path, None)
    }

    fn of(path: PathBuf, header: Option<HeaderValue>) -> Self {
        Self(Arc::new(Mutex::new(Known {
            path,
            header,
            read: Instant::now(),
        })))
    }

    /// Sets the header of a request. A file that cannot be read leaves the last token in use, which
    /// may be the one that the request has.
    pub(super) fn authorize(&self, headers: &mut HeaderMap) {
        let mut known = self.0.lock();
        if known.header.is_none() || known.read.elapsed() >= COUNTS_FOR {
            known.read = Instant::now();
            if let Ok(header) = header(&known.path) {
                known.header = Some(header);
            }
        }
        if let Some(header) = known.header.clone() {
            headers.insert(AUTHORIZATION, header);
        }
    }
}

fn header(path: &Path) -> io::Result<HeaderValue> {
    let text = fs::read_to_string(path)?;
    let none = |fault| io::Error::new(io::ErrorKind::InvalidData, fault);
    let token = text.trim();
    if token.is_empty() {
        return Err(none("it is empty"));
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| none("it has characters that no token has"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(token: &TokenFile) -> Option<String> {
        let mut headers = HeaderMap::new();
        token.authorize(&mut headers);
        let header = headers.get(AUTHORIZATION)?;
        assert!(header.is_sensitive());
        Some(header.to_str().unwrap().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_followed_and_its_newline_is_none_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        assert!(TokenFile::read(path.clone()).is_err());
        fs::write(&path, " \n").unwrap();
        assert!(TokenFile::read(path.clone()).is_err());
        fs::write(&path, "first\n").unwrap();
        let token = TokenFile::read(path.clone()).unwrap();
        assert_eq!(sent(&token).unwrap(), "Bearer first");
        fs::write(&path, "second\r\n").unwrap();
        assert_eq!(sent(&token).unwrap(), "Bearer first");
        tokio::time::advance(COUNTS_FOR).await;
        assert_eq!(sent(&token).unwrap(), "Bearer second");
        fs::remove_file(&path).unwrap();
        tokio::time::advance(COUNTS_FOR).await;
        assert_eq!(sent(&token).unwrap(), "Bearer second");
    }

    #[tokio::test]
    async fn a_file_that_comes_later_counts_from_then_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let token = TokenFile::absent(path.clone());
        assert_eq!(sent(&token), None);
        fs::write(&path, "late\n").unwrap();
        assert_eq!(sent(&token).unwrap(), "Bearer late");
    }
}
