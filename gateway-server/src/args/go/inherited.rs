//! The Go program's flags that the gateway has no use for, each with what is there instead, and those
//! that it must not ignore. Most are inherited from the library of Kubernetes API servers. The table
//! is data; clap reads the command line by it.

use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches};
use jiff::SignedDuration;

/// A flag without an effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::args) struct Ignored {
    pub(super) flag: String,
    /// What is there instead of it.
    pub(super) instead: &'static str,
}

impl Ignored {
    /// The flag, and what is there instead.
    pub(in crate::args) fn told(self) -> (String, &'static str) {
        let Self { flag, instead } = self;
        (flag, instead)
    }
}

/// The flags of the table that were given, each with its value.
#[derive(Clone, Debug)]
pub(super) struct Inherited(Vec<(&'static Flag, String)>);

#[derive(Debug)]
struct Flag {
    name: &'static str,
    takes: Takes,
    judge: fn(&str) -> Verdict,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Takes {
    Value,
    /// Nothing, or a boolean behind an equals sign.
    Switch,
}

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// The gateway does what the flag says.
    Kept,
    /// It changes nothing. This is there instead.
    Ignored(&'static str),
    /// It asks for a restriction that the gateway does not have.
    Refused(&'static str),
}

use Verdict::{Ignored as Nothing, Kept, Refused};

const fn value(name: &'static str, judge: fn(&str) -> Verdict) -> Flag {
    let takes = Takes::Value;
    Flag { name, takes, judge }
}

const fn switch(name: &'static str, judge: fn(&str) -> Verdict) -> Flag {
    let takes = Takes::Switch;
    Flag { name, takes, judge }
}

const FLAGS: &[Flag] = &[
    // The Go program's own.
    switch("ocm-integration", |_| {
        Nothing("--managed-service-account serves accepted ManagedClusters that have no Secret")
    }),
    value("proxy-host", konnectivity),
    value("proxy-port", konnectivity),
    value("proxy-ca-cert", konnectivity),
    value("proxy-cert", konnectivity),
    value("proxy-key", konnectivity),
    value("cluster-gateway-proxy-config", |_| {
        Nothing("AccessGrants and --fallback decide who callers are on managed clusters")
    }),
    value("user-agent", |_| {
        Nothing("the gateway has one name for itself")
    }),
    switch("virtual-clutser-with-control-plane", |_| {
        Nothing("it had no effect in cluster-gateway either")
    }),
    switch("standalone-debug-mode", |_| {
        Nothing("callers are always authorized by the hub")
    }),
    // Who callers are.
    switch("authentication-skip-lookup", |on| unless(on, FRONT_PROXY)),
    switch("authentication-tolerate-lookup-failure", |_| {
        Nothing("the gateway waits until the hub has said whom to trust")
    }),
    value("authentication-token-webhook-cache-ttl", |_| {
        Nothing("what the hub says of a token counts for 10 s")
    }),
    value("client-ca-file", |_| {
        Nothing("the hub publishes whose client certificates count, if --direct-access is set")
    }),
    value("requestheader-client-ca-file", |_| Refused(FRONT_PROXY)),
    value("requestheader-allowed-names", |_| Refused(FRONT_PROXY)),
    value("requestheader-username-headers", |_| Refused(FRONT_PROXY)),
    value("requestheader-uid-headers", |_| Refused(FRONT_PROXY)),
    value("requestheader-group-headers", |_| Refused(FRONT_PROXY)),
    value("requestheader-extra-headers-prefix", |_| {
        Refused(FRONT_PROXY)
    }),
    // What they may do.
    value("authorization-always-allow-paths", always_allowed),
    value("authorization-webhook-cache-authorized-ttl", allowed_for),
    value("authorization-webhook-cache-unauthorized-ttl", |_| {
        Nothing("an answer of the hub counts for 10 s")
    }),
    value("enable-admission-plugins", admission),
    value("disable-admission-plugins", admission),
    value("admission-control-config-file", admission),
    // How it serves.
    value("tls-cipher-suites", cipher_suites),
    value("tls-sni-cert-key", |_| {
        Nothing("there is one serving certificate: --tls-cert-file")
    }),
    value("http2-max-streams-per-connection", |_| {
        Nothing("a connection carries 250 requests at once")
    }),
    switch("disable-http2-serving", |on| {
        unless(on, "the gateway serves HTTP/2 to everybody who speaks it")
    }),
    switch("enable-priority-and-fairness", |_| {
        Nothing("--max-requests-per-user and the flags beside it limit what is in flight")
    }),
    switch("profiling", |on| match on {
        "false" => Kept,
        _ => Nothing(METRICS),
    }),
    switch("contention-profiling", |_| Nothing(METRICS)),
    value("debug-socket-path", |_| Nothing(METRICS)),
    value("tracing-config-file", |_| Nothing(METRICS)),
    value("egress-selector-config-file", |_| {
        Refused(
            "the gateway does not read it; the variables HTTPS_PROXY and NO_PROXY say how it \
             reaches the hub, and --egress how it reaches clusters",
        )
    }),
    // What it records.
    value("audit-log-format", |it| {
        only(it, "json", "audit events are lines of JSON")
    }),
    value("audit-log-version", |it| {
        only(it, "audit.k8s.io/v1", "audit events are of audit.k8s.io/v1")
    }),
    value("audit-log-mode", |it| {
        only(
            it,
            "batch",
            "audit events are written beside requests, which never wait for them",
        )
    }),
    value("audit-log-maxage", |_| {
        Nothing("--audit-log-maxbackup says how many files are kept")
    }),
    switch("audit-log-compress", |_| {
        Nothing("the files of the audit log are not compressed")
    }),
    value("audit-log-batch-buffer-size", audit_batch),
    value("audit-log-batch-max-size", audit_batch),
    value("audit-log-batch-max-wait", audit_batch),
    switch("audit-log-batch-throttle-enable", audit_batch),
    value("audit-log-batch-throttle-burst", audit_batch),
    value("audit-log-batch-throttle-qps", audit_batch),
    switch("audit-log-truncate-enabled", audit_batch),
    value("audit-log-truncate-max-batch-size", audit_batch),
    value("audit-log-truncate-max-event-size", audit_batch),
    value("audit-webhook-config-file", |_| {
        Refused(
            "audit events are not sent anywhere; write them to --audit-log-path=-, and ship that",
        )
    }),
    // How it logs.
    value("vmodule", log),
    switch("logtostderr", log),
    switch("alsologtostderr", log),
    value("alsologtostderrthreshold", log),
    value("stderrthreshold", log),
    value("log_dir", log),
    value("log_file", log),
    value("log_file_max_size", log),
    value("log_backtrace_at", log),
    value("log-flush-frequency", log),
    switch("add_dir_header", log),
    switch("one_output", log),
    switch("skip_headers", log),
    switch("skip_log_headers", log),
];

const FRONT_PROXY: &str = "the gateway trusts what the hub publishes in \
     kube-system/extension-apiserver-authentication, and nothing else";
const METRICS: &str = "there are metrics at --admin-bind-address, and logs";

fn konnectivity(_: &str) -> Verdict {
    Nothing("the tunnels of our agents reach clusters, see --egress and --tunnel-port")
}

fn admission(_: &str) -> Verdict {
    Nothing("the hub and the managed cluster admit what is written; the gateway stores nothing")
}

fn audit_batch(_: &str) -> Verdict {
    Nothing("up to 32 MiB of audit events wait to be written, each of bounded size")
}

/// A flag of which only one value can be kept.
fn only(asked: &str, kept: &str, fault: &'static str) -> Verdict {
    if asked == kept { Kept } else { Refused(fault) }
}

fn log(_: &str) -> Verdict {
    Nothing("--log and --log-format say what is logged to stderr, and how")
}

/// A switch that asks for a restriction.
fn unless(on: &str, fault: &'static str) -> Verdict {
    match on {
        "false" => Kept,
        _ => Refused(fault),
    }
}

fn always_allowed(paths: &str) -> Verdict {
    let paths: Vec<_> = paths.split(',').map(str::trim).collect();
    let open = ["/healthz", "/livez", "/readyz"];
    if open.iter().any(|path| !paths.contains(path)) {
        return Refused("the gateway answers /healthz, /livez and /readyz to everybody");
    }
    if paths.iter().all(|path| open.contains(path)) {
        return Kept;
    }
    Nothing(
        "only /healthz, /livez and /readyz are open to everybody; without a credential, /metrics is \
         at --admin-bind-address",
    )
}

fn allowed_for(duration: &str) -> Verdict {
    let longest = SignedDuration::from_secs(10);
    match duration.parse::<SignedDuration>() {
        Ok(asked) if asked == longest => Kept,
        Ok(asked) if asked > longest => Nothing("an answer of the hub counts for 10 s"),
        _ => Refused("an answer of the hub counts for 10 s, and this is less, or no duration"),
    }
}

/// Those that the gateway has for TLS 1.2. Those of TLS 1.3 cannot be chosen in Go either.
const CIPHER_SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

fn cipher_suites(suites: &str) -> Verdict {
    // Two of them have a second, shorter name in Go.
    let suites: Vec<_> = suites.split(',').map(str::trim).collect();
    let short = |suite: &str| {
        let is_short = suite.contains("CHACHA20");
        is_short.then(|| suite.trim_end_matches("_SHA256").to_owned())
    };
    let has = |suite: &&str| {
        suites.contains(suite) || short(suite).is_some_and(|short| suites.contains(&short.as_str()))
    };
    if CIPHER_SUITES.iter().all(has) {
        return Nothing(
            "the gateway has six cipher suites for TLS 1.2, all of which are in the list",
        );
    }
    Refused(
        "the gateway cannot do without some of its cipher suites: list all of \
         TLS_ECDHE_(ECDSA,RSA)_WITH_(AES_128_GCM_SHA256,AES_256_GCM_SHA384,CHACHA20_POLY1305_SHA256), or \
         give --tls-min-version=VersionTLS13",
    )
}

/// A boolean as Go's flags take it.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

impl Inherited {
    /// What has no effect, and what cannot be kept.
    pub(super) fn verdicts(&self) -> (Vec<Ignored>, Vec<String>) {
        let (mut ignored, mut faults) = (Vec::new(), Vec::new());
        for (Flag { name, judge, .. }, value) in &self.0 {
            match judge(value) {
                Kept => {}
                Nothing(instead) => ignored.push(Ignored {
                    flag: format!("--{name}"),
                    instead,
                }),
                Refused(fault) => faults.push(format!("--{name}: {fault}")),
            }
        }
        (ignored, faults)
    }
}

impl Flag {
    fn argument(&self) -> Arg {
        let argument = Arg::new(self.name)
            .long(self.name)
            .hide(true)
            .action(ArgAction::Append);
        match self.takes {
            Takes::Value => argument.allow_hyphen_values(true),
            Takes::Switch => argument
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_parser(|text: &str| {
                    let is_on = boolean(text).ok_or("it is either true or false")?;
                    Ok::<_, &'static str>(is_on.to_string())
                }),
        }
    }
}

impl clap::Args for Inherited {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.iter().map(Flag::argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Inherited {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let of = |flag: &'static Flag| {
            let values = matches.get_many::<String>(flag.name);
            values
                .into_iter()
                .flatten()
                .map(move |it| (flag, it.clone()))
        };
        Ok(Self(FLAGS.iter().flat_map(of).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
