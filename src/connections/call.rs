//! One call of a connection, as the wrappers tell of it.

/// A call, with what tests and scripts tell calls apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method's name, for instance `create_file`.
    pub method: &'static str,
    /// What it is about: an id, or the name of what is made, or the first of several. Empty if
    /// the method is about nothing in particular.
    pub subject: String,
    /// How many things the call is about; 1 unless it takes several.
    pub items: usize,
}

impl Call {
    pub(super) fn new(method: &'static str, subject: &str) -> Self {
        Self { method, subject: subject.to_owned(), items: 1 }
    }

    pub(super) fn with_items<'a>(
        method: &'static str,
        mut subjects: impl ExactSizeIterator<Item = &'a str>,
    ) -> Self {
        let items = subjects.len();
        Self { method, subject: subjects.next().unwrap_or_default().to_owned(), items }
    }
}
