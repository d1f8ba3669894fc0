use super::*;

fn tcp(host: &str, port: u16) -> Seat {
    Seat::Tcp((host.to_owned(), port))
}

#[test]
fn replicas_are_those_that_info_numbers() {
    let text = "role:master\r\nconnected_slaves:2\r\n\
                slave0:ip=10.0.0.1,port=6379,state=online,offset=1,lag=0\r\n\
                slave1:ip=::1,port=6380,state=wait_bgsave,offset=0,lag=9\r\nslave_x:ip=a,port=1\r\n";
    let expected = vec![("10.0.0.1".to_owned(), 6379), ("::1".to_owned(), 6380)];
    assert_eq!(info::replicas(&info::parse(text)), expected);
}

#[test]
fn a_cluster_is_its_primaries_then_its_replicas_without_those_that_are_gone() {
    let text = "\
a 10.0.0.3:7003@17003 slave,nofailover b 0 1 1 connected
b 10.0.0.1:7001@17001,host-1 myself,master - 0 1 1 connected 0-5460
c :7002@17002 master - 0 1 1 connected 5461-10922
d 10.0.0.4:7004@17004 master,fail - 0 1 1 disconnected
e :0@0 master,noaddr - 0 1 1 disconnected
";
    let expected = vec![
        tcp("10.0.0.1", 7001),
        tcp("seed", 7002),
        tcp("10.0.0.3", 7003),
    ];
    assert_eq!(of_cluster(text, "seed"), expected);
}

#[test]
fn a_seat_is_told_as_redis_cli_takes_it() {
    assert_eq!(tcp("::1", 1).to_string(), "[::1]:1");
    assert_eq!(tcp("a", 1).to_string(), "a:1");
    assert_eq!(Seat::Unix("/r".to_owned()).to_string(), "unix:/r");
}
