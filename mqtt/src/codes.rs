//! The reason codes of MQTT 5, section 2.4, by name.

use super::Code;

/// This client sent nothing: no broker takes a topic name with a wildcard in it.
pub(super) const TOPIC_NAME_INVALID: Code = code(0x90);
/// This client sent nothing: no broker takes this filter.
pub(super) const TOPIC_FILTER_INVALID: Code = code(0x8f);
/// This client sent nothing: the broker's Maximum Packet Size, or MQTT's, is below it.
pub(super) const PACKET_TOO_LARGE: Code = code(0x95);

/// This client sent nothing: the broker keeps no retained messages.
pub(super) const RETAIN_NOT_SUPPORTED: Code = code(0x9a);
/// This client sent nothing: the broker takes publications with `QoS` 0 alone.
pub(super) const QOS_NOT_SUPPORTED: Code = code(0x9b);

/// A reason code with its name. A code outside the specification keeps its value.
pub const fn code(value: u8) -> Code {
    let name = match value {
        0x00 => "Success",
        0x10 => "NoMatchingSubscribers",
        0x11 => "NoSubscriptionExisted",
        0x81 => "MalformedPacket",
        0x82 => "ProtocolError",
        0x83 => "ImplementationSpecificError",
        0x84 => "UnsupportedProtocolVersion",
        0x85 => "ClientIdentifierNotValid",
        0x86 => "BadUserNameOrPassword",
        0x87 => "NotAuthorized",
        0x88 => "ServerUnavailable",
        0x89 => "ServerBusy",
        0x8a => "Banned",
        0x8b => "ServerShuttingDown",
        0x8c => "BadAuthenticationMethod",
        0x8d => "KeepAliveTimeout",
        0x8e => "SessionTakenOver",
        0x8f => "TopicFilterInvalid",
        0x90 => "TopicNameInvalid",
        0x91 => "PacketIdentifierInUse",
        0x92 => "PacketIdentifierNotFound",
        0x93 => "ReceiveMaximumExceeded",
        0x94 => "TopicAliasInvalid",
        0x95 => "PacketTooLarge",
        0x96 => "MessageRateTooHigh",
        0x97 => "QuotaExceeded",
        0x98 => "AdministrativeAction",
        0x99 => "PayloadFormatInvalid",
        0x9a => "RetainNotSupported",
        0x9b => "QoSNotSupported",
        0x9c => "UseAnotherServer",
        0x9d => "ServerMoved",
        0x9e => "SharedSubscriptionsNotSupported",
        0x9f => "ConnectionRateExceeded",
        0xa0 => "MaximumConnectTime",
        0xa1 => "SubscriptionIdentifiersNotSupported",
        0xa2 => "WildcardSubscriptionsNotSupported",
        _ => "UnspecifiedError",
    };
    Code { value, name }
}
