//! Reads `AccessGrant`s from files, directories and stdin.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use crds::gateway::{AccessGrant, GROUP};
use serde_json::Value;

use crate::voice;

const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// Why the files cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("{} is not valid YAML", .0.display())]
    Yaml(PathBuf, #[source] Box<serde_saphyr::Error>),
    #[error("{}: AccessGrant {name} is not valid", path.display())]
    Grant {
        path: PathBuf,
        name: String,
        source: serde_json::Error,
    },
    #[error("{}: an AccessGrant has no metadata.name", .0.display())]
    NoName(PathBuf),
    #[error("AccessGrant {0} occurs twice in the files; remove one of the two")]
    Twice(String),
    #[error("none of the files contains an AccessGrant")]
    None,
}

/// All grants in the files, by name.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<AccessGrant>, FilesError> {
    let mut grants = BTreeMap::new();
    for path in paths {
        for path in expanded(path)? {
            let text = text(&path).map_err(|error| FilesError::Read(path.clone(), error))?;
            for grant in grants_of(&path, &text)? {
                let name = grant.metadata.name.clone().unwrap_or_default();
                if grants.insert(name.clone(), grant).is_some() {
                    return Err(FilesError::Twice(name));
                }
            }
        }
    }
    if grants.is_empty() {
        return Err(FilesError::None);
    }
    Ok(grants.into_values().collect())
}

/// The file itself, or the files in a directory, sorted by name.
fn expanded(path: &Path) -> Result<Vec<PathBuf>, FilesError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(|error| FilesError::Read(path.to_owned(), error))?;
    let mut files: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| {
            let extension = path.extension().and_then(|it| it.to_str());
            path.is_file() && extension.is_some_and(|it| EXTENSIONS.contains(&it))
        })
        .collect();
    files.sort_unstable();
    Ok(files)
}

fn text(path: &Path) -> io::Result<String> {
    if path != Path::new("-") {
        return fs::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The grants in a text. Other objects are only counted.
fn grants_of(path: &Path, text: &str) -> Result<Vec<AccessGrant>, FilesError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| FilesError::Yaml(path.to_owned(), Box::new(error)))?;
    let objects = documents.into_iter().flat_map(items);
    let (grants, others): (Vec<_>, Vec<_>) = objects.partition(is_grant);
    if !others.is_empty() {
        voice::note(&format!(
            "{}: {} objects of other kinds are ignored",
            path.display(),
            others.len()
        ));
    }
    let grants = grants.into_iter().map(|grant| {
        let name = grant["metadata"]["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err(FilesError::NoName(path.to_owned()));
        }
        let name = name.to_owned();
        serde_json::from_value(grant).map_err(|source| FilesError::Grant {
            path: path.to_owned(),
            name,
            source,
        })
    });
    grants.collect()
}

/// The elements of a list, or the object itself.
fn items(mut document: Value) -> Vec<Value> {
    let is_list = document["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("List"));
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        _ if document.is_null() => Vec::new(),
        _ => vec![document],
    }
}

fn is_grant(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    object["kind"] == "AccessGrant" && version.split('/').next() == Some(GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(name: &str) -> String {
        format!(
            "apiVersion: {GROUP}/v1alpha1\nkind: AccessGrant\nmetadata: {{name: {name}}}\n\
             spec: {{clusters: {{names: [a]}}, subjects: [{{kind: Gateway}}], role: {{clusterRole: view}}}}\n"
        )
    }

    #[test]
    fn files_directories_and_lists_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write(
            "b.yaml",
            &format!("{}---\n{}---\n", text_of("two"), text_of("one")),
        );
        write(
            "a.yml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n",
        );
        let grant: Value = serde_saphyr::from_str(&text_of("three")).unwrap();
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [grant]});
        write("c.json", &list.to_string());
        write("notes.txt", "not YAML: at: all");
        let grants = read(&[directory.path().to_owned()]).unwrap();
        let names: Vec<_> = grants
            .iter()
            .map(|it| it.metadata.name.clone().unwrap())
            .collect();
        assert_eq!(names, ["one", "three", "two"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("grants.yaml");
        let error = |text: &str| {
            fs::write(&path, text).unwrap();
            read(std::slice::from_ref(&path)).unwrap_err()
        };
        assert!(matches!(error(""), FilesError::None));
        assert!(matches!(error("a: ["), FilesError::Yaml(_, _)));
        let twice = format!("{}---\n{}", text_of("g"), text_of("g"));
        assert!(matches!(error(&twice), FilesError::Twice(name) if name == "g"));
        assert!(matches!(error(&text_of("''")), FilesError::NoName(_)));
        let wrong = text_of("g").replace("kind: Gateway", "kind: Robot");
        assert!(matches!(error(&wrong), FilesError::Grant { name, .. } if name == "g"));
    }
}
