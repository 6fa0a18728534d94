//! The flags of the Go cluster-gateway, so that its charts can start this program. Those with a
//! meaning are mapped to ours. Those without one are accepted and reported. If one asks for a
//! restriction that the gateway cannot keep, the process does not start. They are hidden from
//! `--help`; `docs/migration.md` lists them.

mod feature_gates;
mod inherited;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use self::{feature_gates::FeatureGates, inherited::Inherited};
pub(super) use self::{feature_gates::Penetration, inherited::Ignored};

#[derive(Args, Clone, Debug)]
pub(super) struct GoArgs {
    /// The name of the Go program, which `KubeVela` passes as an argument.
    #[arg(hide = true, value_name = "PROGRAM")]
    program: Option<Program>,
    /// Features to switch on or off.
    #[arg(long, hide = true, value_name = "NAME=BOOL")]
    feature_gates: Vec<FeatureGates>,
    /// Directory of the serving certificate, if --tls-cert-file does not name it.
    #[arg(long, hide = true, value_name = "DIRECTORY")]
    cert_dir: Option<PathBuf>,
    /// The oldest version of TLS at the port of the API.
    #[arg(
        long,
        hide = true,
        value_name = "VERSION",
        default_value = "VersionTLS12"
    )]
    tls_min_version: TlsMinVersion,
    /// How much to log, if --log does not say it.
    #[arg(
        short,
        long = "v",
        hide = true,
        value_name = "LEVEL",
        default_value_t = 0
    )]
    v: i32,
    /// The kubeconfig by which callers are authenticated.
    #[arg(long, hide = true, value_name = "FILE")]
    authentication_kubeconfig: Option<PathBuf>,
    /// The kubeconfig by which callers are authorized.
    #[arg(long, hide = true, value_name = "FILE")]
    authorization_kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    inherited: Inherited,
}

/// The one argument that is no flag.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Program {
    Apiserver,
}

/// A version of TLS as Kubernetes names it. The gateway has none below 1.2.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum TlsMinVersion {
    #[value(name = "VersionTLS12", aliases = ["", "VersionTLS10", "VersionTLS11"])]
    Tls12,
    #[value(name = "VersionTLS13")]
    Tls13,
}

/// What the Go flags mean here.
#[derive(Debug)]
pub(super) struct Meaning {
    /// Whether callers act as themselves, if there are feature gates.
    pub(super) penetration: Option<Penetration>,
    /// The directory of the serving certificate.
    pub(super) certificates: Option<PathBuf>,
    pub(super) only_tls_13: bool,
    /// The filter of the log.
    pub(super) log: Option<&'static str>,
    /// What has no effect.
    pub(super) ignored: Vec<Ignored>,
    /// What cannot be kept.
    pub(super) faults: Vec<String>,
}

impl GoArgs {
    /// `kubeconfig` is the one that the gateway uses for everything.
    pub(super) fn meaning(self, kubeconfig: Option<&Path>) -> Meaning {
        let Self {
            program: _,
            feature_gates,
            cert_dir,
            tls_min_version,
            v,
            authentication_kubeconfig,
            authorization_kubeconfig,
            inherited,
        } = self;
        let (mut ignored, mut faults) = inherited.verdicts();
        let are_gates = !feature_gates.is_empty();
        let gates = FeatureGates::all(feature_gates);
        ignored.extend(gates.ignored());
        let others = [
            ("--authentication-kubeconfig", authentication_kubeconfig),
            ("--authorization-kubeconfig", authorization_kubeconfig),
        ];
        for (flag, other) in others {
            if other.is_some_and(|other| Some(other.as_path()) != kubeconfig) {
                faults.push(format!(
                    "{flag} differs from --kubeconfig, but the gateway does everything at the hub \
                     with one identity; give both the same file"
                ));
            }
        }
        Meaning {
            penetration: are_gates.then(|| gates.penetration()),
            certificates: cert_dir,
            only_tls_13: tls_min_version == TlsMinVersion::Tls13,
            log: log(v),
            ignored,
            faults,
        }
    }
}

/// The filter for a level of klog. Libraries are left at `info`: they may log headers below it.
fn log(level: i32) -> Option<&'static str> {
    (level >= 4).then_some("info,gateway_server=debug,runtime=debug,tunnel=debug")
}

#[cfg(test)]
mod tests;
