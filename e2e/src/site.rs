//! A World's directory and programs, and how to start one of them. For etcd this includes the whole
//! command line.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    host,
    process::{Spec, reaper},
    programs::Programs,
};

/// The directory and the programs of a World, shared by everything that belongs to it.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) directory: PathBuf,
    pub(crate) programs: Programs,
}

impl Site {
    /// Creates the directory. It is removed with the World, or when this process ends.
    pub(crate) fn new(programs: Programs) -> io::Result<Arc<Self>> {
        let directory = tempfile::Builder::new().prefix("spokeway-").tempdir()?;
        reaper::sweep(directory.path())?;
        Ok(Arc::new(Self {
            directory: directory.keep(),
            programs,
        }))
    }

    /// How to start one of the programs, with its files below `directory`.
    pub(crate) fn spec(&self, name: &str, program: &str, directory: &Path) -> Spec {
        Spec {
            name: name.to_owned(),
            program: self.programs.path(program).to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            directory: directory.to_owned(),
            log: directory.join(format!("{program}.log")),
        }
    }
}

/// How to start an etcd with its data in a directory that does not exist yet.
pub(crate) fn etcd(site: &Site, directory: &Path, url: &str) -> io::Result<Spec> {
    fs::create_dir(directory)?;
    let peer_url = format!("http://127.0.0.1:{}", host::free_port());
    let args = flags(directory, url, &peer_url);
    Ok(Spec {
        args,
        ..site.spec("etcd", "etcd", directory)
    })
}

fn flags(directory: &Path, client_url: &str, peer_url: &str) -> Vec<String> {
    vec![
        format!("--data-dir={}", directory.join("data").display()),
        format!("--listen-client-urls={client_url}"),
        format!("--advertise-client-urls={client_url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
    ]
}
