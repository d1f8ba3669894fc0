//! A value that may be missing or wrong, without taking its siblings down.

use super::at::At;

/// A value of the configuration. One that is wrong was reported where it was read; its siblings are
/// checked all the same. So every field of [`super::raw`] is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is there, and wrong.
    Bad,
    /// It is there.
    Given(T),
}

impl<T> Field<T> {
    /// The value; `None` also when it is wrong.
    pub fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }

    /// What `compile` makes of the value, `default` when it is absent, nothing when it is wrong.
    pub(super) fn value<'a, U>(
        &'a self,
        default: U,
        compile: impl FnOnce(&'a T) -> Option<U>,
    ) -> Option<U> {
        match self {
            Self::Absent => Some(default),
            Self::Bad => None,
            Self::Given(value) => compile(value),
        }
    }

    /// The value of a field that must be there.
    pub(super) fn required(&self, at: &At<'_>) -> Option<&T> {
        if matches!(self, Self::Absent) {
            at.error("missing");
        }
        self.given()
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
