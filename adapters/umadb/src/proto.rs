// Generated from proto/umadb.proto by scripts/umadb-proto. Do not edit.
/// Represents a discrete state change, fact, or action within the system.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Event {
    /// The domain type or schema identifier of the event (e.g., 'UserCreated').
    #[prost(string, tag = "1")]
    pub event_type: ::prost::alloc::string::String,
    /// Indexed labels used for filtering and categorizing events.
    #[prost(string, repeated, tag = "2")]
    pub tags: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// The serialized payload of the event (e.g., JSON, Protobuf).
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
    /// A universally unique identifier for the event, useful for idempotency and deduplication.
    #[prost(string, tag = "4")]
    pub uuid: ::prost::alloc::string::String,
    /// Additional context or headers (e.g., correlation IDs, user agents) not part of the core payload.
    #[prost(message, repeated, tag = "5")]
    pub metadata: ::prost::alloc::vec::Vec<MetadataEntry>,
}
/// A simple key-value pair used to store custom event metadata.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct MetadataEntry {
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub value: ::prost::alloc::string::String,
}
/// An event that has been successfully committed to the event log.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SequencedEvent {
    /// The global, monotonically increasing sequence number of this event in the store.
    #[prost(uint64, tag = "1")]
    pub position: u64,
    /// The original event data.
    #[prost(message, optional, tag = "2")]
    pub event: ::core::option::Option<Event>,
    /// Optional tracking info given when the event was appended.
    #[prost(message, optional, tag = "3")]
    pub tracking_info: ::core::option::Option<TrackingInfo>,
}
/// A specific filter condition used to match events in the store.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct QueryItem {
    /// A list of event types to match.
    #[prost(string, repeated, tag = "1")]
    pub types: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// A list of event tags to match.
    #[prost(string, repeated, tag = "2")]
    pub tags: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
/// A collection of filter conditions. Events matching these items will be returned.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Query {
    /// A list of query items, typically evaluated as a logical OR (match this item OR that item).
    #[prost(message, repeated, tag = "1")]
    pub items: ::prost::alloc::vec::Vec<QueryItem>,
}
/// Concurrency control and conditional checks applied before appending new events.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AppendCondition {
    /// If provided, the append operation will fail if any existing events match this query.
    /// Useful for ensuring uniqueness or preventing duplicate state changes.
    #[prost(message, optional, tag = "1")]
    pub fail_if_events_match: ::core::option::Option<Query>,
    /// If provided, the append operation is only valid if the current head of the stream
    /// exactly matches (or is greater than) this position. Used for optimistic concurrency.
    #[prost(uint64, optional, tag = "2")]
    pub after: ::core::option::Option<u64>,
}
/// Request parameters for querying historical events from the store.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReadRequest {
    /// The filter criteria to apply. If omitted, all events are returned.
    #[prost(message, optional, tag = "1")]
    pub query: ::core::option::Option<Query>,
    /// The sequence position to start reading from.
    #[prost(uint64, optional, tag = "2")]
    pub start: ::core::option::Option<u64>,
    /// If true, reads events in reverse order (from newest to oldest).
    #[prost(bool, optional, tag = "3")]
    pub backwards: ::core::option::Option<bool>,
    /// The maximum number of events to return in the entire read operation.
    #[prost(uint32, optional, tag = "4")]
    pub limit: ::core::option::Option<u32>,
    /// Deprecated: Use the separate Subscribe RPC instead for streaming new events.
    #[deprecated]
    #[prost(bool, optional, tag = "5")]
    pub subscribe: ::core::option::Option<bool>,
    /// The maximum number of events to include in a single response chunk/batch.
    #[prost(uint32, optional, tag = "6")]
    pub batch_size: ::core::option::Option<u32>,
}
/// A chunk of historical events returned from a Read request.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ReadResponse {
    /// The list of events matching the read criteria.
    #[prost(message, repeated, tag = "1")]
    pub events: ::prost::alloc::vec::Vec<SequencedEvent>,
    /// The position of the most recent event in the store at the time of the read.
    #[prost(uint64, optional, tag = "2")]
    pub head: ::core::option::Option<u64>,
}
/// Request parameters for opening a real-time, continuous stream of events.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SubscribeRequest {
    /// The filter criteria for the events you want to listen to.
    #[prost(message, optional, tag = "1")]
    pub query: ::core::option::Option<Query>,
    /// The sequence position to start subscribing from (allows resuming a disconnected stream).
    #[prost(uint64, optional, tag = "2")]
    pub after: ::core::option::Option<u64>,
    /// The maximum number of events to buffer/send in a single stream push.
    #[prost(uint32, optional, tag = "3")]
    pub batch_size: ::core::option::Option<u32>,
}
/// A chunk of real-time events pushed to the subscriber.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SubscribeResponse {
    #[prost(message, repeated, tag = "1")]
    pub events: ::prost::alloc::vec::Vec<SequencedEvent>,
}
/// Represents the read/processing progress of a specific client or source.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TrackingInfo {
    /// The unique identifier of the consumer, projection, or system tracking the events.
    #[prost(string, tag = "1")]
    pub source: ::prost::alloc::string::String,
    /// The sequence position up to which the source has successfully processed.
    #[prost(uint64, tag = "2")]
    pub position: u64,
}
/// Request payload for writing new events to the store.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct AppendRequest {
    /// The list of new events to commit to the log.
    #[prost(message, repeated, tag = "1")]
    pub events: ::prost::alloc::vec::Vec<Event>,
    /// Concurrency controls to apply before allowing the append.
    #[prost(message, optional, tag = "2")]
    pub condition: ::core::option::Option<AppendCondition>,
    /// Optional checkpointing information to update the source's tracking cursor upon success.
    #[prost(message, optional, tag = "3")]
    pub tracking_info: ::core::option::Option<TrackingInfo>,
}
/// Confirmation of a successful append operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct AppendResponse {
    /// The new head position of the event store after committing these events.
    #[prost(uint64, tag = "1")]
    pub position: u64,
}
/// Request to fetch the current highest sequence number in the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HeadRequest {}
/// Response containing the current highest sequence number in the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HeadResponse {
    /// The position of the most recently recorded event.
    #[prost(uint64, optional, tag = "1")]
    pub position: ::core::option::Option<u64>,
}
/// Request to fetch the saved cursor/position for a specific consumer.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TrackingRequest {
    /// The unique identifier of the consumer/source.
    #[prost(string, tag = "1")]
    pub source: ::prost::alloc::string::String,
}
/// Response containing the last known cursor/position for the requested consumer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TrackingResponse {
    /// The position up to which the source has processed, if tracking info exists.
    #[prost(uint64, optional, tag = "1")]
    pub position: ::core::option::Option<u64>,
}
/// Standardized error payload for RPC failures.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ErrorResponse {
    /// A human-readable description of the error.
    #[prost(string, tag = "1")]
    pub message: ::prost::alloc::string::String,
    /// The categorized type of the error.
    #[prost(enumeration = "error_response::ErrorType", tag = "2")]
    pub error_type: i32,
}
/// Nested message and enum types in `ErrorResponse`.
pub mod error_response {
    /// Categories of errors that can occur within the event store operations.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
    #[repr(i32)]
    pub enum ErrorType {
        /// Disk or network input/output failure.
        Io = 0,
        /// Failed to parse or serialize event payloads or metadata.
        Serialization = 1,
        /// Data constraints violated (e.g., AppendCondition failed).
        Integrity = 2,
        /// Underlying storage is corrupted.
        Corruption = 3,
        /// Unhandled or unexpected internal server error.
        Internal = 4,
        /// Client is not authorized to perform the operation.
        Authentication = 5,
        /// The request was malformed or contained invalid parameters.
        InvalidArgument = 6,
    }
    impl ErrorType {
        /// String value of the enum field names used in the ProtoBuf definition.
        ///
        /// The values are not transformed in any way and thus are considered stable
        /// (if the ProtoBuf definition does not change) and safe for programmatic use.
        pub fn as_str_name(&self) -> &'static str {
            match self {
                Self::Io => "IO",
                Self::Serialization => "SERIALIZATION",
                Self::Integrity => "INTEGRITY",
                Self::Corruption => "CORRUPTION",
                Self::Internal => "INTERNAL",
                Self::Authentication => "AUTHENTICATION",
                Self::InvalidArgument => "INVALID_ARGUMENT",
            }
        }
        /// Creates an enum from field names used in the ProtoBuf definition.
        pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
            match value {
                "IO" => Some(Self::Io),
                "SERIALIZATION" => Some(Self::Serialization),
                "INTEGRITY" => Some(Self::Integrity),
                "CORRUPTION" => Some(Self::Corruption),
                "INTERNAL" => Some(Self::Internal),
                "AUTHENTICATION" => Some(Self::Authentication),
                "INVALID_ARGUMENT" => Some(Self::InvalidArgument),
                _ => None,
            }
        }
    }
}
