PATH=$PATH:/opt/spark/bin
home=$(dirname "$(dirname "$(find_one spark-class)")")
SPARK_HOME=$home
SPARK_LOCAL_DIRS=$data/local
SPARK_NO_DAEMONIZE=1
SPARK_LOG_DIR=$MESOS_SANDBOX/logs
export SPARK_HOME SPARK_LOCAL_DIRS SPARK_NO_DAEMONIZE SPARK_LOG_DIR
mkdir -p "$SPARK_LOCAL_DIRS"
case $SPARK_ROLE in
    dispatcher)
        SPARK_DAEMON_MEMORY=${SPARK_HEAP_MB}m
        SPARK_DAEMON_JAVA_OPTS="-Dspark.master.rest.enabled=true -Dspark.master.rest.port=$PORT2 -Dspark.ui.reverseProxy=true -Dspark.ui.reverseProxyUrl=/service/$SERVICE_NAME"
        export SPARK_DAEMON_MEMORY SPARK_DAEMON_JAVA_OPTS
        exec spark-class org.apache.spark.deploy.master.Master --host "$HOST" --port "$PORT0" --webui-port "$PORT1"
        ;;
    worker)
        exec spark-class org.apache.spark.deploy.worker.Worker --host "$HOST" --port "$PORT0" --webui-port "$PORT1" \
            --cores "$SPARK_CORES" --memory "${SPARK_MEMORY_MB}m" --work-dir "$data/work" "spark://$SPARK_DISPATCHER"
        ;;
    history)
        [ "$SPARK_EVENTS" != "" ] || SPARK_EVENTS=file:$data/events
        case $SPARK_EVENTS in file:*) mkdir -p "${SPARK_EVENTS#file:}" ;; esac
        SPARK_DAEMON_MEMORY=${SPARK_HEAP_MB}m
        SPARK_HISTORY_OPTS="-Dspark.history.ui.port=$PORT0 -Dspark.history.fs.logDirectory=$SPARK_EVENTS -Dspark.ui.proxyBase=/service/$SERVICE_NAME"
        export SPARK_DAEMON_MEMORY SPARK_HISTORY_OPTS
        exec spark-class org.apache.spark.deploy.history.HistoryServer
        ;;
esac
