//! How ids, addresses and digests are written in the durable records of this folder: as text.
//!
//! The words of the product know no serialisation; reading goes through their own parsers, so that
//! a record that was damaged is an error and never an invalid value.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(super) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// The same for lists.
pub(super) mod list {
    use super::{Deserialize, Deserializer, Display, Error, FromStr, Serializer};

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(in super::super) fn deserialize<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// The same for file ids, which have a parser of their own name.
pub(super) mod id {
    use super::{Deserialize, Deserializer, Error, Serializer};
    use crate::connections::FileId;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &FileId,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.as_str())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<FileId, D::Error> {
        FileId::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// The same for lists of file ids.
pub(super) mod ids {
    use super::{Deserialize, Deserializer, Error, Serializer};
    use crate::connections::FileId;

    pub(in super::super) fn serialize<S: Serializer>(
        values: &[FileId],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(FileId::as_str))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<FileId>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| FileId::parse(text).map_err(D::Error::custom)).collect()
    }
}
