//! The flags of the audit log, named as kube-apiserver's.

use std::{fmt, path::PathBuf};

use clap::Args;

/// Where requests are recorded, and which ones.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// Where events go.
    pub destination: AuditDestination,
    /// The file that says which requests are recorded. Without one, all are.
    pub policy: Option<PathBuf>,
    /// How large a file may become.
    pub max_bytes: u64,
    /// How many full files are kept; 0 for all.
    pub backups: usize,
}

/// Where audit events go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuditDestination {
    /// The standard output. Logs go to stderr.
    Stdout,
    /// This file.
    File(PathBuf),
}

impl fmt::Display for AuditDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

#[expect(clippy::struct_field_names, reason = "each is the name of a flag")]
#[derive(Args, Clone, Debug)]
pub(super) struct AuditArgs {
    /// File to which an audit event is appended for each proxied request, or - for stdout. If it is
    /// not set, nothing is recorded.
    #[arg(long, env = "GATEWAY_AUDIT_LOG_PATH", value_name = "FILE")]
    audit_log_path: Option<PathBuf>,
    /// File with a Policy of audit.k8s.io/v1, which says which requests are recorded. The levels
    /// Request and `RequestResponse` count as Metadata. If it is not set, all requests are recorded.
    #[arg(
        long,
        env = "GATEWAY_AUDIT_POLICY_FILE",
        value_name = "FILE",
        requires = "audit_log_path"
    )]
    audit_policy_file: Option<PathBuf>,
    /// Maximum size in MB of the audit log. A file that would become larger gets another name.
    #[arg(
        long,
        env = "GATEWAY_AUDIT_LOG_MAXSIZE",
        value_name = "MB",
        default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=1 << 30)
    )]
    audit_log_maxsize: u64,
    /// Maximum number of files with such names. The oldest ones are deleted. 0 keeps all.
    #[arg(
        long,
        env = "GATEWAY_AUDIT_LOG_MAXBACKUP",
        value_name = "COUNT",
        default_value_t = 10
    )]
    audit_log_maxbackup: usize,
}

impl AuditArgs {
    /// `None` if nothing is recorded.
    pub(super) fn settings(self) -> Option<AuditSettings> {
        let Self {
            audit_log_path,
            audit_policy_file: policy,
            audit_log_maxsize,
            audit_log_maxbackup: backups,
        } = self;
        let destination = match audit_log_path? {
            path if path.as_os_str() == "-" => AuditDestination::Stdout,
            path => AuditDestination::File(path),
        };
        Some(AuditSettings {
            destination,
            policy,
            max_bytes: audit_log_maxsize << 20,
            backups,
        })
    }
}
