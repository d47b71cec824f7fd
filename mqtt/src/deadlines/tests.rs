use super::*;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

fn begun() -> (Deadlines, impl Fn(u64) -> Instant) {
    let start = Instant::now();
    (Deadlines::new(ANSWER_TIMEOUT), move |seconds| start + Duration::from_secs(seconds))
}

fn subscribe() -> Awaited {
    Awaited::Subscribe("quotes".to_owned())
}

#[test]
fn oldest_request_without_an_answer_is_overdue_after_the_patience() {
    let (mut deadlines, at) = begun();
    assert_eq!(deadlines.next(), None);
    let first = deadlines.sent(Awaited::Publish("a".to_owned()), at(0));
    deadlines.sent(Awaited::Publish("b".to_owned()), at(5));
    assert_eq!((deadlines.next(), deadlines.overdue(at(29))), (Some(at(30)), None));
    deadlines.answered(first);
    assert_eq!(deadlines.overdue(at(34)), None);
    assert_eq!(deadlines.overdue(at(35)), Some(Awaited::Publish("b".to_owned())));
}

#[test]
fn backlog_before_an_answer_moves_its_deadline_until_the_request_is_read() {
    let (mut deadlines, at) = begun();
    deadlines.sent(subscribe(), at(0));
    deadlines.pinged();
    for second in 1..=100 {
        deadlines.message(at(second));
        assert_eq!(deadlines.overdue(at(second)), None);
    }
    deadlines.ponged();
    for second in 101..130 {
        deadlines.message(at(second));
        assert_eq!(deadlines.overdue(at(second)), None);
    }
    assert_eq!(deadlines.overdue(at(130)), Some(subscribe()), "messages behind the PINGRESP move nothing");
}

#[test]
fn pingresp_of_a_ping_in_front_of_the_request_shows_nothing() {
    let (mut deadlines, at) = begun();
    deadlines.pinged();
    deadlines.sent(subscribe(), at(0));
    deadlines.ponged();
    deadlines.message(at(20));
    assert_eq!(deadlines.next(), Some(at(50)));
}

#[test]
fn no_answer_is_due_while_nothing_is_read() {
    let (mut deadlines, at) = begun();
    deadlines.sent(subscribe(), at(0));
    deadlines.set_reading(false, at(10));
    assert_eq!((deadlines.next(), deadlines.overdue(at(100))), (None, None));
    deadlines.set_reading(true, at(100));
    assert_eq!((deadlines.overdue(at(129)), deadlines.overdue(at(130))), (None, Some(subscribe())));
}

#[test]
fn socket_that_takes_nothing_is_overdue_whether_or_not_anything_is_read() {
    let (mut deadlines, at) = begun();
    deadlines.set_reading(false, at(0));
    deadlines.set_writing(true, at(1));
    deadlines.set_writing(true, at(30));
    assert_eq!((deadlines.overdue(at(30)), deadlines.overdue(at(31))), (None, Some(Awaited::Flush)));
    deadlines.wrote();
    deadlines.set_writing(false, at(31));
    assert_eq!((deadlines.next(), deadlines.overdue(at(200))), (None, None));
}
