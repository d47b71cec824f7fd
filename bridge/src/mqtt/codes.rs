//! The client library's enums as reason codes of MQTT 5.

use rumqttc::v5::{
    ConnectionError, StateError,
    mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode, PubAckReason, SubscribeReasonCode, UnsubAckReason},
};

use super::{Code, LinkError};

const fn code(value: u8, name: &'static str) -> Code {
    Code { value, name }
}

/// Nothing of ours was sent: no broker takes a topic name with a wildcard in it.
pub(super) const TOPIC_NAME_INVALID: Code = code(0x90, "TopicNameInvalid");
/// Nothing of ours was sent: no broker takes this filter.
pub(super) const TOPIC_FILTER_INVALID: Code = code(0x8f, "TopicFilterInvalid");
/// Nothing of ours was sent: the broker's Maximum Packet Size is below it.
pub(super) const PACKET_TOO_LARGE: Code = code(0x95, "PacketTooLarge");

pub(super) const fn puback(reason: PubAckReason) -> Code {
    match reason {
        PubAckReason::Success => code(0x00, "Success"),
        PubAckReason::NoMatchingSubscribers => code(0x10, "NoMatchingSubscribers"),
        PubAckReason::UnspecifiedError => code(0x80, "UnspecifiedError"),
        PubAckReason::ImplementationSpecificError => code(0x83, "ImplementationSpecificError"),
        PubAckReason::NotAuthorized => code(0x87, "NotAuthorized"),
        PubAckReason::TopicNameInvalid => TOPIC_NAME_INVALID,
        PubAckReason::PacketIdentifierInUse => code(0x91, "PacketIdentifierInUse"),
        PubAckReason::QuotaExceeded => code(0x97, "QuotaExceeded"),
        PubAckReason::PayloadFormatInvalid => code(0x99, "PayloadFormatInvalid"),
    }
}

pub(super) const fn suback(reason: SubscribeReasonCode) -> Code {
    match reason {
        SubscribeReasonCode::Success(qos) => code(qos as u8, "Granted"),
        SubscribeReasonCode::Failure | SubscribeReasonCode::Unspecified => code(0x80, "UnspecifiedError"),
        SubscribeReasonCode::ImplementationSpecific => code(0x83, "ImplementationSpecificError"),
        SubscribeReasonCode::NotAuthorized => code(0x87, "NotAuthorized"),
        SubscribeReasonCode::TopicFilterInvalid => TOPIC_FILTER_INVALID,
        SubscribeReasonCode::PkidInUse => code(0x91, "PacketIdentifierInUse"),
        SubscribeReasonCode::QuotaExceeded => code(0x97, "QuotaExceeded"),
        SubscribeReasonCode::SharedSubscriptionsNotSupported => code(0x9e, "SharedSubscriptionsNotSupported"),
        SubscribeReasonCode::SubscriptionIdNotSupported => code(0xa1, "SubscriptionIdentifiersNotSupported"),
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => code(0xa2, "WildcardSubscriptionsNotSupported"),
    }
}

pub(super) const fn unsuback(reason: UnsubAckReason) -> Code {
    match reason {
        UnsubAckReason::Success => code(0x00, "Success"),
        UnsubAckReason::NoSubscriptionExisted => code(0x11, "NoSubscriptionExisted"),
        UnsubAckReason::UnspecifiedError => code(0x80, "UnspecifiedError"),
        UnsubAckReason::ImplementationSpecificError => code(0x83, "ImplementationSpecificError"),
        UnsubAckReason::NotAuthorized => code(0x87, "NotAuthorized"),
        UnsubAckReason::TopicFilterInvalid => TOPIC_FILTER_INVALID,
        UnsubAckReason::PacketIdentifierInUse => code(0x91, "PacketIdentifierInUse"),
    }
}

const fn connack(reason: ConnectReturnCode) -> Code {
    match reason {
        ConnectReturnCode::MalformedPacket => code(0x81, "MalformedPacket"),
        ConnectReturnCode::ProtocolError => code(0x82, "ProtocolError"),
        ConnectReturnCode::ImplementationSpecificError => code(0x83, "ImplementationSpecificError"),
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => {
            code(0x84, "UnsupportedProtocolVersion")
        }
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => {
            code(0x85, "ClientIdentifierNotValid")
        }
        ConnectReturnCode::BadUserNamePassword => code(0x86, "BadUserNameOrPassword"),
        ConnectReturnCode::NotAuthorized => code(0x87, "NotAuthorized"),
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::ServerUnavailable => code(0x88, "ServerUnavailable"),
        ConnectReturnCode::ServerBusy => code(0x89, "ServerBusy"),
        ConnectReturnCode::Banned => code(0x8a, "Banned"),
        ConnectReturnCode::BadAuthenticationMethod => code(0x8c, "BadAuthenticationMethod"),
        ConnectReturnCode::QuotaExceeded => code(0x97, "QuotaExceeded"),
        ConnectReturnCode::RetainNotSupported => code(0x9a, "RetainNotSupported"),
        ConnectReturnCode::QoSNotSupported => code(0x9b, "QoSNotSupported"),
        ConnectReturnCode::UseAnotherServer => code(0x9c, "UseAnotherServer"),
        ConnectReturnCode::ServerMoved => code(0x9d, "ServerMoved"),
        ConnectReturnCode::ConnectionRateExceeded => code(0x9f, "ConnectionRateExceeded"),
        _ => code(0x80, "UnspecifiedError"),
    }
}

const fn disconnect(reason: DisconnectReasonCode) -> Code {
    let name = match reason {
        DisconnectReasonCode::NotAuthorized => "NotAuthorized",
        DisconnectReasonCode::ServerBusy => "ServerBusy",
        DisconnectReasonCode::ServerShuttingDown => "ServerShuttingDown",
        DisconnectReasonCode::KeepAliveTimeout => "KeepAliveTimeout",
        DisconnectReasonCode::SessionTakenOver => "SessionTakenOver",
        DisconnectReasonCode::ReceiveMaximumExceeded => "ReceiveMaximumExceeded",
        DisconnectReasonCode::PacketTooLarge => "PacketTooLarge",
        DisconnectReasonCode::QuotaExceeded => "QuotaExceeded",
        DisconnectReasonCode::AdministrativeAction => "AdministrativeAction",
        _ => "Disconnected",
    };
    code(reason as u8, name)
}

pub(super) fn link_error(error: ConnectionError) -> LinkError {
    match error {
        ConnectionError::ConnectionRefused(reason) | ConnectionError::MqttState(StateError::ConnFail { reason }) => {
            LinkError::Refuse(connack(reason))
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            LinkError::End(disconnect(reason_code))
        }
        ConnectionError::Tls(error) => LinkError::Secure(Box::new(error)),
        other => LinkError::Reach(Box::new(other)),
    }
}
