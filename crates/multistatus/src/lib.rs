//! HTTP 207 Multi-Status bodies (RFC 4918 §13), written and read properly.

pub mod batch;
mod model;
mod reader;
mod status;
mod writer;
pub mod xml;

pub use self::model::{MultiStatus, PropStat, Property, Report, Response, Trailer, Value};
pub use self::reader::Reader;
pub use self::writer::{
    CONTENT_TYPE, InvalidResponse, Properties, PropertyResponse, WriteError, Writer,
};
