//! The requests to an API server, as its audit log shows them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Deserialize;

use crate::statistics::number;

/// A line of an audit log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    stage: String,
    verb: String,
    user: User,
    object_ref: Option<Object>,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    resource: String,
    #[serde(default)]
    subresource: String,
}

/// The number of requests of each kind.
pub(crate) type Counts = BTreeMap<String, u64>;

/// All requests except watches. A watch ends after some minutes and is started again, however many
/// accounts there are.
pub(crate) fn calls(counts: &Counts) -> f64 {
    number(counts.values().sum()) - watches(counts)
}

pub(crate) fn watches(counts: &Counts) -> f64 {
    let watches = counts.iter().filter(|(kind, _)| kind.starts_with("watch "));
    number(watches.map(|(_, count)| count).sum())
}

/// A log that is read as it grows.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    path: PathBuf,
    read: u64,
}

impl Log {
    /// Reads the log from its present end on.
    pub(crate) fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            read: fs::metadata(path).map_or(0, |it| it.len()),
        }
    }

    /// The new lines. A line that is not complete yet is left for the next call.
    pub(crate) fn lines(&mut self) -> anyhow::Result<String> {
        let mut file = File::open(&self.path).context("there is no audit log")?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut new = Vec::new();
        file.read_to_end(&mut new)?;
        let end = new
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.read += end as u64;
        Ok(String::from_utf8_lossy(&new[..end]).into_owned())
    }
}

/// Adds the calls of one user. A watch counts once, when it begins.
pub(crate) fn count(lines: &str, user: &str, counts: &mut Counts) -> anyhow::Result<()> {
    for line in lines.lines() {
        let call: Call = serde_json::from_str(line).context("an audit log with another line")?;
        let counted = match call.verb.as_str() {
            "watch" => call.stage == "ResponseStarted",
            _ => call.stage == "ResponseComplete",
        };
        let Some(object) = call.object_ref else {
            continue;
        };
        if counted && call.user.username.starts_with(user) {
            let slash = if object.subresource.is_empty() {
                ""
            } else {
                "/"
            };
            let kind = format!(
                "{} {}{slash}{}",
                call.verb, object.resource, object.subresource
            );
            *counts.entry(kind).or_default() += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_count_once_and_for_their_user() {
        let line = |stage: &str, verb: &str, user: &str, resource: &str| {
            format!(
                r#"{{"stage":"{stage}","verb":"{verb}","user":{{"username":"{user}"}},"objectRef":{{"resource":"{resource}"}}}}"#
            )
        };
        let lines = [
            line("ResponseStarted", "watch", "me:1", "secrets"),
            line("ResponseComplete", "watch", "me:1", "secrets"),
            line("ResponseComplete", "create", "me:1", "secrets"),
            line("ResponseComplete", "create", "you", "secrets"),
            r#"{"stage":"ResponseComplete","verb":"get","user":{"username":"me:1"}}"#.to_owned(),
        ];
        let mut counts = Counts::new();
        count(&lines.join("\n"), "me:", &mut counts).unwrap();
        let wanted = [("create secrets", 1), ("watch secrets", 1)];
        assert_eq!(counts, wanted.map(|(kind, n)| (kind.to_owned(), n)).into());
    }

    #[test]
    fn a_line_that_is_being_written_is_left_for_later() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = Log::open(file.path());
        fs::write(file.path(), "one\ntw").unwrap();
        assert_eq!(log.lines().unwrap(), "one\n");
        fs::write(file.path(), "one\ntwo\n").unwrap();
        assert_eq!(log.lines().unwrap(), "two\n");
    }
}
