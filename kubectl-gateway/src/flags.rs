//! Flags that several verbs share.

use clap::{Args, ValueEnum};
use crds::label_selector::{self, LabelFault, Requirement};

/// How an answer is printed.
#[derive(Debug, Args)]
pub(crate) struct Printing {
    /// Output format
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
}

/// The format of a list.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// A label selector.
pub(crate) type Selector = std::sync::Arc<[Requirement]>;

pub(crate) fn selector(text: &str) -> Result<Selector, LabelFault> {
    Ok(label_selector::parse(text)?.into())
}
