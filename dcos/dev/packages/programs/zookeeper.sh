java=$(find_one java)
jars=
for folder in "$MESOS_SANDBOX"/*/lib /apache-zookeeper-*/lib /opt/zookeeper/lib; do
    [ ! -d "$folder" ] || jars=$jars:$folder/*
done
if [ -z "$jars" ]; then
    [ -f /usr/share/java/zookeeper.jar ] || fail "no ZooKeeper is here. On agents: apt-get install $NEEDS; or set software.image or software.artifact"
    jars=/usr/share/java/zookeeper.jar
    [ ! -f /usr/share/java/slf4j-simple.jar ] || jars=$jars:/usr/share/java/slf4j-simple.jar
fi
echo "$ZOOKEEPER_ID" >"$data/myid"
{
    echo "dataDir=$data"
    echo "clientPort=$PORT0"
    echo "tickTime=2000"
    echo "initLimit=10"
    echo "syncLimit=5"
    echo "maxClientCnxns=0"
    echo "autopurge.snapRetainCount=3"
    echo "autopurge.purgeInterval=1"
    echo "admin.enableServer=false"
    echo "4lw.commands.whitelist=ruok,srvr,mntr,stat"
    echo "quorumListenOnAllIPs=true"
    for server in $ZOOKEEPER_SERVERS; do echo "server.$server"; done
} >"$MESOS_SANDBOX/zoo.cfg"
exec "$java" -Xms"${ZOOKEEPER_HEAP_MB}m" -Xmx"${ZOOKEEPER_HEAP_MB}m" -Dorg.slf4j.simpleLogger.defaultLogLevel=info -cp "$jars" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$MESOS_SANDBOX/zoo.cfg"
