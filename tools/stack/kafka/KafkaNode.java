/** One Kafka node, broker and controller in one: KafkaNode SERVER.PROPERTIES. Ends when its standard input closes, so it is never orphaned. */
public class KafkaNode {
    public static void main(String[] args) throws Exception {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (java.io.IOException e) {
                // a broken pipe is an end as well
            }
            System.exit(0); // runs the broker's own shutdown hook
        });
        watch.setDaemon(true);
        watch.start();
        kafka.Kafka.main(args);
    }
}
