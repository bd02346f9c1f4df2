#!/bin/bash
exec java -XX:TieredStopAtLevel=1 -Dlog4j.configuration=file:/etc/kafka/docker/tools-log4j.properties \
    -cp '/opt/kafka/libs/*' org.apache.kafka.tools.consumer.ConsoleConsumer "$@"
