package hosts

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
)

// Scheme is what a URL says about its server.
type Scheme struct {
	Name string // of a port in the values
	Port int    // the default, or 0
}

// schemes are those of servers, with their default ports (IANA, or the documents of the servers).
var schemes = map[string]Scheme{
	"http": {"http", 80}, "https": {"https", 443}, "ws": {"http", 80}, "wss": {"https", 443},
	"h2c": {"http", 80}, "grpc": {"grpc", 0}, "grpcs": {"grpc", 443}, "dubbo": {"dubbo", 20880},
	"mysql": {"mysql", 3306}, "mysql2": {"mysql", 3306}, "mariadb": {"mysql", 3306}, "mysqlx": {"mysqlx", 33060},
	"postgres": {"postgresql", 5432}, "postgresql": {"postgresql", 5432}, "postgis": {"postgresql", 5432},
	"pgsql": {"postgresql", 5432}, "redshift": {"redshift", 5439},
	"cockroachdb": {"postgresql", 26257}, "sqlserver": {"mssql", 1433}, "mssql": {"mssql", 1433}, "oracle": {"oracle", 1521},
	"db2": {"db2", 50000}, "firebird": {"firebird", 3050}, "firebirdsql": {"firebird", 3050}, "sap": {"hana", 0}, "sybase": {"sybase", 5000},
	"informix-sqli": {"informix", 0}, "clickhouse": {"clickhouse", 9000}, "ch": {"clickhouse", 8123}, "vertica": {"vertica", 5433},
	"hive2": {"hive", 10000}, "presto": {"http", 8080}, "trino": {"http", 8080}, "snowflake": {"https", 443},
	"mongodb": {"mongodb", 27017}, "mongodb+srv": {"mongodb", 0}, "couchdb": {"couchdb", 5984}, "couchbase": {"couchbase", 11210},
	"cassandra": {"cassandra", 9042}, "neo4j": {"bolt", 7687}, "bolt": {"bolt", 7687}, "influxdb": {"influxdb", 8086},
	"elasticsearch": {"http", 9200}, "opensearch": {"http", 9200}, "solr": {"http", 8983}, "arangodb": {"arangodb", 8529},
	"redis": {"redis", 6379}, "rediss": {"redis", 6379}, "valkey": {"redis", 6379}, "valkeys": {"redis", 6379},
	"redis-sentinel": {"redis-sentinel", 26379}, "memcached": {"memcached", 11211}, "memcache": {"memcached", 11211},
	"amqp": {"amqp", 5672}, "amqps": {"amqps", 5671}, "rabbitmq": {"amqp", 5672}, "stomp": {"stomp", 61613}, "sb": {"amqps", 5671},
	"mqtt": {"mqtt", 1883}, "mqtts": {"mqtts", 8883}, "nats": {"nats", 4222}, "stan": {"nats", 4222}, "activemq": {"openwire", 61616},
	"kafka": {"kafka", 9092}, "plaintext": {"kafka", 9092}, "sasl_plaintext": {"kafka", 9092}, "sasl_ssl": {"kafka", 9093},
	"ssl": {"tls", 0}, "tls": {"tls", 0}, "tcps": {"tls", 0}, "pulsar": {"pulsar", 6650}, "pulsar+ssl": {"pulsar", 6651},
	"beanstalk": {"beanstalk", 11300}, "gearman": {"gearman", 4730}, "nsq": {"nsq", 4150},
	"zookeeper": {"zookeeper", 2181}, "zk": {"zookeeper", 2181}, "etcd": {"etcd", 2379}, "consul": {"http", 8500},
	"ldap": {"ldap", 389}, "ldaps": {"ldaps", 636}, "radius": {"radius", 1812}, "kerberos": {"kerberos", 88},
	"smtp": {"smtp", 25}, "smtps": {"smtps", 465}, "submission": {"smtp", 587}, "imap": {"imap", 143}, "imaps": {"imaps", 993},
	"pop3": {"pop3", 110}, "pop3s": {"pop3s", 995}, "ftp": {"ftp", 21}, "ftps": {"ftps", 990}, "sftp": {"ssh", 22},
	"tcp": {"tcp", 0}, "tcp4": {"tcp", 0}, "udp": {"udp", 0}, "syslog": {"syslog", 514}, "statsd": {"statsd", 8125}, "gelf": {"gelf", 12201},
	"otlp": {"otlp", 4317}, "zipkin": {"http", 9411}, "graphite": {"graphite", 2003}, "logstash": {"logstash", 5044}, "fluentd": {"fluentd", 24224},
	"socks5": {"socks", 1080}, "socks": {"socks", 1080}, "snmp": {"snmp", 161}, "rtsp": {"rtsp", 554}, "sip": {"sip", 5060}, "vault": {"http", 8200},
	"iiop": {"iiop", 0}, "t3": {"t3", 7001}, "t3s": {"t3s", 7002}, "rmi": {"rmi", 1099}, "net.tcp": {"tcp", 808}, "nfs": {"nfs", 2049},
	"ibmmq": {"ibmmq", 1414}, "wmq": {"ibmmq", 1414}, "solace": {"smf", 55555}, "smf": {"smf", 55555}, "ignite": {"ignite", 10800},
	"hazelcast": {"hazelcast", 5701}, "minio": {"http", 9000}, "rsync": {"rsync", 873}, "tds": {"mssql", 1433}, "mq": {"ibmmq", 1414},
}

// notServers are schemes of what is fetched when something is built, or is not on a network.
var notServers = sets.New(strings.Fields(`git ssh svn hg file classpath urn data unix docker oci oci+http chrome android-app s3 s3a gs abfs hdfs jar
	docker-daemon secret env vault-secret arn tag about javascript app myapp npipe`)...)

// SchemeOf finds a scheme by its name in a URL, also with a driver behind it, as in postgresql+psycopg2.
func SchemeOf(name string) (s Scheme, isKnown bool) {
	if s, isKnown = schemes[name]; isKnown {
		return s, true
	}
	base, driver, _ := strings.Cut(name, "+")
	if driver == "unix" || notServers.Has(base) {
		return s, false
	}
	if s, isKnown = schemes[base]; !isKnown {
		s, isKnown = schemes[driver] // db+postgresql, remote+http
	}
	return s, isKnown
}

// udpSchemes are the names of those whose servers are called over UDP.
var udpSchemes = sets.New(strings.Fields(`udp statsd gelf syslog snmp radius`)...)

// IsUDP says whether the servers are called over UDP.
func (s Scheme) IsUDP() bool { return udpSchemes.Has(s.Name) }

// byWord are what words of keys say about the server, such as REDIS_HOST.
var byWord = map[string]string{
	"mysql": "mysql", "mariadb": "mysql", "postgres": "postgres", "postgresql": "postgres", "pg": "postgres", "psql": "postgres",
	"pgsql": "postgres", "redis": "redis", "valkey": "redis", "mongo": "mongodb", "mongodb": "mongodb", "rabbit": "amqp", "rabbitmq": "amqp",
	"amqp": "amqp", "kafka": "kafka", "ldap": "ldap", "smtp": "smtp", "mail": "smtp", "mailer": "smtp", "nats": "nats", "memcached": "memcached",
	"memcache": "memcached", "elasticsearch": "elasticsearch", "elastic": "elasticsearch", "opensearch": "opensearch", "zookeeper": "zookeeper",
	"oracle": "oracle", "sqlserver": "sqlserver", "mssql": "sqlserver", "cassandra": "cassandra", "imap": "imap", "sftp": "sftp", "ftp": "ftp",
	"mqtt": "mqtt", "statsd": "statsd", "syslog": "syslog", "etcd": "etcd", "clickhouse": "clickhouse", "influxdb": "influxdb", "graphite": "graphite",
	"gelf": "gelf", "logstash": "logstash", "fluentd": "fluentd", "radius": "radius", "beanstalkd": "beanstalk",
}

// byPort are what well-known ports say about the server.
var byPort = map[int]string{
	80: "http", 443: "https", 8080: "http", 8443: "https", 3306: "mysql", 5432: "postgres", 1433: "mssql", 1521: "oracle", 50000: "db2",
	27017: "mongodb", 9042: "cassandra", 6379: "redis", 26379: "redis-sentinel", 11211: "memcached", 5672: "amqp", 5671: "amqps",
	61616: "activemq", 61613: "stomp", 1883: "mqtt", 8883: "mqtts", 4222: "nats", 9092: "kafka", 9093: "kafka", 2181: "zookeeper", 2379: "etcd",
	389: "ldap", 636: "ldaps", 25: "smtp", 465: "smtps", 587: "submission", 143: "imap", 993: "imaps", 21: "ftp", 22: "sftp", 514: "syslog",
	8125: "statsd", 9200: "elasticsearch", 4317: "otlp", 9000: "clickhouse", 8086: "influxdb", 2003: "graphite", 12201: "gelf", 5044: "logstash",
}

// SchemeByKey guesses the scheme of a server by the words of the key of a setting, and then by its port.
func SchemeByKey(words []string, port int) string {
	for _, word := range slices.Backward(words) {
		if byWord[word] != "" {
			return byWord[word]
		}
	}
	return byPort[port]
}
